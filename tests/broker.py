"""What tests of the link share: a private mosquitto, and someone who listens to it."""

import os
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edgekit.messaging.link import MqttSettings
from tools.private_broker import PrivateBroker, find_program

BOARD, PASSWORD = "board", "correct horse"
_READER = "reader"
PATIENCE_S = 20.0


def need_program(name: str, package: str) -> None:
    """Skips the test where a program is missing; on CI, which has to have it, fails it."""
    if find_program(name):
        return
    reason = f"{name} was not found: tools/apt.sh {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def need_broker() -> None:
    """Skips or fails as `need_program` does, for all that a private broker with TLS takes."""
    for program, package in (
        ("mosquitto", "mosquitto"),
        ("mosquitto_passwd", "mosquitto"),
        ("openssl", "openssl"),
    ):
        need_program(program, package)


def new_broker() -> PrivateBroker:
    """A broker with TLS and passwords on; the board may write below `edgekit/` only."""
    return PrivateBroker(tls=True, users={BOARD: PASSWORD, _READER: PASSWORD}, writable="edgekit/#")


def settings_for(
    broker: PrivateBroker, *, version: Literal["5", "3.1.1"] = "5", max_queued: int = 1000
) -> MqttSettings:
    """What a board that may connect to it has in its settings."""
    return MqttSettings(
        host=broker.host,
        port=broker.port,
        version=version,
        username=BOARD,
        password=PASSWORD,
        ca=broker.ca,
        max_queued=max_queued,
    )


@dataclass(frozen=True)
class Heard:
    """One message that a listener got."""

    topic: str
    payload: bytes
    retained: bool


class Listener:
    """A subscriber that hands over what it hears, one message at a time."""

    def __init__(self) -> None:
        self.heard: queue.Queue[Heard] = queue.Queue()

    def next(self) -> Heard:
        """The next message; fails the test where none comes."""
        try:
            return self.heard.get(timeout=PATIENCE_S)
        except queue.Empty:
            pytest.fail(f"heard nothing in {PATIENCE_S} s")


@contextmanager
def listening(broker: PrivateBroker, topics: str = "#") -> Iterator[Listener]:
    """Subscribes, and gives the listener once the broker has confirmed it."""
    listener = Listener()
    subscribed: queue.Queue[None] = queue.Queue()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set(_READER, PASSWORD)
    if broker.ca is not None:
        client.tls_set(str(broker.ca))
    client.on_message = lambda _client, _data, message: listener.heard.put(
        Heard(message.topic, bytes(message.payload), message.retain)
    )
    client.on_subscribe = lambda *_: subscribed.put(None)
    client.connect(broker.host, broker.port)
    client.subscribe(topics, qos=1)
    client.loop_start()
    try:
        subscribed.get(timeout=PATIENCE_S)
        yield listener
    finally:
        client.disconnect()
        client.loop_stop()
