"""Looks at the broker: found, trusted, let in, and heard at the board's own topics."""

import queue
import socket
from collections.abc import Iterator
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edgekit.daemon.doctor.finding import Finding, ok, problem
from edgekit.errors import ConfigError
from edgekit.messaging.refusals import why_refused, why_unreachable
from edgekit.messaging.settings import MqttSettings
from edgekit.messaging.topics import Topics

_CONNECT_S = 10.0


def look_at_broker(settings: MqttSettings, topics: Topics) -> Iterator[Finding]:
    """Goes the whole way to a published message, and stops where it ends.

    It connects under a client id of its own and without a last will, so that a daemon that runs
    meanwhile is not disturbed.
    """
    about = "broker"
    try:
        found = socket.getaddrinfo(settings.host, settings.effective_port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        advice = "check its spelling and the name server"
        yield problem(about, f"{settings.host} cannot be resolved", advice)
        return
    yield ok(about, f"{settings.host} is {found[0][4][0]}")
    try:
        tls = settings.tls_context()
    except ConfigError as error:
        yield problem(about, str(error), "give the right file in [mqtt]")
        return
    version = (
        MQTTProtocolVersion.MQTTv5 if settings.version == "5" else MQTTProtocolVersion.MQTTv311
    )
    client = Client(
        CallbackAPIVersion.VERSION2,
        f"edgekit-doctor-{topics.fleet}-{topics.device}"[:100],
        protocol=version,
    )
    client.connect_timeout = _CONNECT_S
    client.username_pw_set(settings.username, settings.password)
    if tls is not None:
        client.tls_set_context(tls)
    heard: queue.Queue[tuple[str, Any]] = queue.Queue()
    client.on_connect = lambda *args: heard.put(("connect", args[3]))
    client.on_publish = lambda *args: heard.put(("publish", args[3]))
    client.on_disconnect = lambda *args: heard.put(("disconnect", args[3]))
    try:
        client.connect(settings.host, settings.effective_port, keepalive=30)
        client.loop_start()
        yield from _conversation(client, settings, topics, heard)
    except (OSError, UnicodeError) as error:
        ca = str(settings.ca) if settings.ca else None
        why, _, advice = why_unreachable(error, tls=settings.encrypted, ca=ca).partition("; ")
        yield problem(about, f"{settings.address}: {why}", advice or "look at the broker's log")
    finally:
        client.disconnect()
        client.loop_stop()
        if (connection := client.socket()) is not None:
            connection.close()


def _conversation(
    client: Client, settings: MqttSettings, topics: Topics, heard: "queue.Queue[tuple[str, Any]]"
) -> Iterator[Finding]:
    about = "broker"
    secured = "TLS, " if settings.encrypted else ""
    answer = _next(heard)
    if answer is None or answer[0] == "disconnect":
        hint = "" if settings.encrypted else "does it expect TLS? "
        hint += "does it want a certificate, or speak MQTT 3.1.1 only? see its log"
        yield problem(about, f"{settings.address}: closed the connection unanswered", hint)
        return
    if answer[1].is_failure:
        yield _refused(f"{settings.address}: turned us away", answer[1])
        return
    yield ok(about, f"{settings.address}: {secured}MQTT {settings.version}, let us in")
    topic = f"{topics.prefix}doctor"
    client.publish(topic, b'{"v": 1}', qos=1)
    answer = _next(heard)
    if answer is None or answer[0] != "publish":
        advice = "look at the broker's log and its access list"
        yield problem(about, f"did not confirm a message to {topic}", advice)
    elif answer[1].is_failure:
        yield _refused(f"refused a message to {topic}", answer[1])
    else:
        yield ok(about, f"confirmed a message to {topic}")


def _refused(what: str, code: Any) -> Finding:
    why, _, advice = why_refused(code.value, str(code)).partition("; ")
    return problem("broker", f"{what}: {why}", advice)


def _next(heard: "queue.Queue[tuple[str, Any]]") -> tuple[str, Any] | None:
    try:
        return heard.get(timeout=_CONNECT_S)
    except queue.Empty:
        return None
