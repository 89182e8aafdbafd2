"""What the commands that talk to a broker share: their options, and a visit to it."""

import dataclasses
import queue
import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import click
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties

from edgekit.errors import InputError, Unavailable
from edgekit.messaging.refusals import why_refused, why_unreachable
from edgekit.messaging.settings import MqttSettings

_VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_PATIENCE_S = 10.0
_MOST_WAITING = 10_000

Command = TypeVar("Command", bound=Callable[..., Any])


def broker_options(command: Command) -> Command:
    """Adds the options that say which broker; they come as `where`, for `broker_of`."""
    file = click.Path(path_type=Path, dir_okay=False)
    options = [
        click.option("--broker", metavar="HOST", help="The broker's name or address."),
        click.option("--port", type=click.IntRange(1, 65535), help="1883, or 8883 with TLS."),
        click.option("--ca", type=file, help="PEM file of the broker's authority; turns TLS on."),
        click.option("--certificate", type=file, help="PEM file that says who you are."),
        click.option("--key", type=file, help="The certificate's private key."),
        click.option("--username", help="Where the broker asks for one."),
        click.option("--password-file", type=file, help="Its first line is the password."),
        click.option("--mqtt", type=click.Choice(["5", "3.1.1"]), help="The version to speak."),
        click.option("--config", type=file, help="Take all of these from an edgekit.toml."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def broker_of(where: dict[str, Any]) -> tuple[MqttSettings, str | None]:
    """The broker that the options name, and the fleet that a configuration file names.

    Args:
        where: what `broker_options` gave.

    Raises:
        InputError: neither a broker nor a file is named, or both.
        ConfigError: the file or a setting cannot be used.
    """
    config: Path | None = where.pop("config")
    client_id = f"edgekit-cli-{secrets.token_hex(6)}"
    if config is not None:
        if any(value is not None for value in where.values()):
            raise InputError("--config names the broker already; leave the other options out")
        return _configured(config, client_id)
    if where["broker"] is None:
        raise InputError("which broker? Give --broker HOST or --config FILE")
    return MqttSettings(
        host=where["broker"],
        port=where["port"],
        version=where["mqtt"] or "5",
        username=where["username"],
        password=_first_line(where["password_file"]),
        ca=where["ca"],
        certificate=where["certificate"],
        key=where["key"],
        client_id=client_id,
    ), None


def _configured(config: Path, client_id: str) -> tuple[MqttSettings, str]:
    from edgekit.config.loading import load_settings
    from edgekit.daemon.assembly.broker import mqtt_settings

    settings = load_settings(config)
    table = settings.mqtt
    if table is None:
        raise InputError(f"{config}: has no [mqtt] table, so there is no broker")
    return dataclasses.replace(mqtt_settings(table), client_id=client_id), settings.device.fleet


def _first_line(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].strip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8"
        raise InputError(f"{file}: {reason}") from error


class Visit:
    """A connection for as long as the `with` block; comes back by itself where it is lost.

    Attributes:
        messages: what came, in order; where nobody takes them, the newest are lost.
    """

    def __init__(self, settings: MqttSettings, topics: Sequence[str]) -> None:
        """Prepares.

        Args:
            settings: the broker.
            topics: the filters to listen to.
        """
        self.messages: queue.Queue[MQTTMessage] = queue.Queue(_MOST_WAITING)
        self._settings = settings
        self._topics = topics
        self._ready = threading.Event()
        self._refusal: str | None = None
        self._client = client = Client(
            CallbackAPIVersion.VERSION2, settings.client_id, protocol=_VERSIONS[settings.version]
        )
        client.username_pw_set(settings.username, settings.password)
        if (tls := settings.tls_context()) is not None:
            client.tls_set_context(tls)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message

    def __enter__(self) -> Self:
        """Connects, and waits until the broker has confirmed the topics.

        Raises:
            Unavailable: it cannot be reached, or does not let us in or listen.
        """
        settings = self._settings
        try:
            self._client.connect(settings.host, settings.effective_port, settings.keepalive_s)
        except (OSError, UnicodeError) as error:
            ca = str(settings.ca) if settings.ca else None
            why = why_unreachable(error, tls=settings.encrypted, ca=ca)
            raise Unavailable(f"no MQTT broker at {settings.address}: {why}") from error
        self._client.loop_start()
        if not self._ready.wait(_PATIENCE_S):
            self._refusal = "no answer in time; does it speak MQTT, and this version of it?"
        if self._refusal is not None:
            self._leave()
            raise Unavailable(f"the MQTT broker at {settings.address}: {self._refusal}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()

    def publish(self, topic: str, payload: bytes, properties: Properties | None = None) -> None:
        """Sends one message at QoS 1."""
        self._client.publish(topic, payload, qos=1, properties=properties)

    def _leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, _: object, flags: Any, code: Any, more: Any) -> None:
        if code.is_failure:
            self._refusal = why_refused(code.value, str(code))
            self._ready.set()
            return
        client.subscribe([(topic, 1) for topic in self._topics])

    def _on_subscribe(
        self, client: Client, _: object, packet_id: int, codes: Sequence[Any], more: Any
    ) -> None:
        for topic, code in zip(self._topics, codes, strict=False):
            if code.is_failure:
                self._refusal = f"no listening to {topic}: {why_refused(code.value, str(code))}"
        self._ready.set()

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        if not self.messages.full():
            self.messages.put(message)
