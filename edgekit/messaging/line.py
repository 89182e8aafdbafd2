"""A coordinator's connection to the broker: loses nothing, and knows when it has heard all."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edgekit.errors import Unavailable
from edgekit.messaging.refusals import why_refused, why_unreachable
from edgekit.messaging.settings import MqttSettings

_VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_PATIENCE_S = 20.0
_MOST_AT_ONCE = 65_535


@dataclass(frozen=True)
class Heard:
    """A message that came; without a topic, the connection was there again after a loss."""

    topic: str
    payload: bytes


@dataclass(frozen=True)
class LineSettings:
    """How a line is.

    Attributes:
        mark: a topic where we speak to ourselves: brokers keep the order, so what was retained has
            come before a mark that was sent after subscribing.
        listens_to: what we listen to, in words, for when the broker does not let us.
        writes: what we write, in words.
        in_flight: how many messages the broker may have to confirm; paho's number where left out.
        packet_bytes: the largest packet that we take, by MQTT 5; any where left out.
    """

    mark: str
    listens_to: str
    writes: str
    in_flight: int | None = None
    packet_bytes: int | None = None


class BrokerLine(ABC):
    """A connection for as long as the `with` block; comes back by itself where it is lost.

    Attributes:
        sent: how many messages went out.
        received: how many came in, marks not counted.
    """

    def __init__(self, settings: MqttSettings, client_id: str, line: LineSettings) -> None:
        """Prepares.

        Args:
            settings: the broker.
            client_id: what the broker knows us by; ours alone.
            line: how the line is.
        """
        self.sent = self.received = 0
        self._settings, self._line = settings, line
        self._filters: list[str] = []
        self._marks = 0
        self._changed = threading.Condition()  # guards what follows
        self._connected = self._was_connected = False
        self._marked = -1
        self._asked = self._confirmed = 0
        self._refusal: str | None = None
        self._client = client = Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=_VERSIONS[settings.version]
        )
        if line.in_flight is not None:
            client.max_inflight_messages_set(line.in_flight)
        client.username_pw_set(settings.username, settings.password)
        client.reconnect_delay_set(1, 10)
        if (tls := settings.tls_context()) is not None:
            client.tls_set_context(tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message

    def __enter__(self) -> Self:
        """Connects.

        Raises:
            Unavailable: the broker cannot be reached, or does not let us in.
        """
        settings = self._settings
        more = None
        if settings.version == "5":
            more = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            # Else a broker sends few at once and drops what a large fleet has retained.
            more.ReceiveMaximum = _MOST_AT_ONCE
            if self._line.packet_bytes is not None:
                more.MaximumPacketSize = self._line.packet_bytes
        try:
            self._client.connect(
                settings.host, settings.effective_port, settings.keepalive_s, properties=more
            )
        except (OSError, UnicodeError) as error:
            ca = str(settings.ca) if settings.ca else None
            why = why_unreachable(error, tls=settings.encrypted, ca=ca)
            raise Unavailable(f"no MQTT broker at {settings.address}: {why}") from error
        self._client.loop_start()
        try:
            self._wait(lambda: self._connected, "no answer; does it speak MQTT, and this version?")
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Sends a message at QoS 1, now or when the broker is back."""
        with self._changed:
            self._asked += 1
            self.sent += 1
        self._client.publish(topic, payload, 1, retain)  # without our lock: paho has one, too

    def check(self) -> None:
        """Looks whether the broker has refused anything.

        Raises:
            Unavailable: it has.
        """
        with self._changed:
            why, self._refusal = self._refusal, None
        if why is not None:
            raise Unavailable(f"the MQTT broker at {self._settings.address}: {why}")

    def flush(self) -> None:
        """Waits until the broker has confirmed all that was sent.

        Raises:
            Unavailable: it did not in time, or refused some of it.
        """
        self._wait(lambda: self._confirmed >= self._asked, "did not confirm all that was sent")

    @abstractmethod
    def _arrived(self, heard: Heard) -> None:
        """Takes what came; on paho's thread, and with the lock."""

    def _hear_all(self, filters: Sequence[str], otherwise: str) -> None:
        """Subscribes; when it returns, all that the broker has retained there has arrived.

        Raises:
            Unavailable: the broker does not let us, or falls silent.
        """
        with self._changed:
            new = [each for each in (self._line.mark, *filters) if each not in self._filters]
            self._filters += new
        wanted = [each for each in (self._line.mark, *filters) if each in new or each in filters]
        self._client.subscribe([(each, 1) for each in wanted])
        self._marks += 1
        number = self._marks
        self.publish(self._line.mark, str(number).encode(), retain=False)
        self._wait(lambda: self._marked >= number, otherwise)

    def _end(self, filters: Sequence[str]) -> None:
        """Ends subscriptions."""
        with self._changed:
            self._filters = [each for each in self._filters if each not in filters]
        if filters:
            self._client.unsubscribe(list(filters))

    def _wait(self, holds: Callable[[], bool], otherwise: str) -> None:
        """Waits as long as messages come."""
        with self._changed:
            last, by_s = self.received + self._confirmed, monotonic() + _PATIENCE_S
            while self._refusal is None and not holds():
                if (moves := self.received + self._confirmed) != last:
                    last, by_s = moves, monotonic() + _PATIENCE_S
                if (left_s := by_s - monotonic()) <= 0:
                    self._refusal = otherwise
                self._changed.wait(max(0.0, left_s))
        self.check()

    def _leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    # What follows runs on paho's thread.

    def _on_connect(self, client: Client, _: object, flags: Any, code: Any, more: Any) -> None:
        with self._changed:
            is_back = self._was_connected and not code.is_failure
            filters = list(self._filters)
            if code.is_failure and not self._was_connected:
                self._refusal = why_refused(code.value, str(code))  # later it may pass
            self._connected = not code.is_failure
            self._was_connected = self._was_connected or self._connected
            self._changed.notify_all()
        if is_back:
            if filters:
                client.subscribe([(each, 1) for each in filters])
            with self._changed:
                self._arrived(Heard("", b""))
                self._changed.notify_all()

    def _on_disconnect(self, *_: Any) -> None:
        with self._changed:
            self._connected = False
            self._changed.notify_all()

    def _on_subscribe(
        self, client: Client, _: object, packet_id: int, codes: Sequence[Any], more: Any
    ) -> None:
        for code in codes:
            if code.is_failure:
                with self._changed:
                    why = why_refused(code.value, str(code))
                    self._refusal = f"does not let us listen to {self._line.listens_to}: {why}"
                    self._changed.notify_all()

    def _on_publish(self, client: Client, _: object, packet_id: int, code: Any, more: Any) -> None:
        with self._changed:
            self._confirmed += 1
            if code.is_failure:
                why = why_refused(code.value, str(code))
                self._refusal = f"does not let us write {self._line.writes}: {why}"
            self._changed.notify_all()

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        with self._changed:
            if message.topic == self._line.mark:
                if message.payload.isdigit():
                    self._marked = max(self._marked, int(message.payload[:9]))
            else:
                self.received += 1
                self._arrived(Heard(message.topic, bytes(message.payload)))
            self._changed.notify_all()
