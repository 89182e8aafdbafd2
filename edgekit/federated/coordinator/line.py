"""The coordinator's connection to the broker: loses nothing, and no board can fill its memory."""

import threading
from collections import deque
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
_IN_FLIGHT = 1000
_ROOM_FOR_HEADER_BYTES = 128 * 1024
_OVERHEAD_BYTES = 256
"""What a waiting message costs beside its payload."""


@dataclass(frozen=True)
class Heard:
    """A message that came; without a topic, the connection was there again after a loss."""

    topic: str
    payload: bytes


class Line:
    """A connection for as long as the `with` block; comes back by itself where it is lost.

    What came waits in memory until it is gathered. Of each sender at most `most_bytes` wait; what
    it sends beyond is dropped and counted.
    """

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        *,
        mark: str,
        most_bytes: int,
        sender_of: Callable[[str], str],
    ) -> None:
        """Prepares.

        Args:
            settings: the broker.
            client_id: what the broker knows us by; ours alone.
            mark: a topic where we speak to ourselves, to see that we have heard all before it.
            most_bytes: of one sender that wait.
            sender_of: names the sender of a topic; empty for ourselves, who are not bounded.
        """
        self._settings, self._mark = settings, mark
        self._most_bytes, self._sender_of = most_bytes, sender_of
        self._filters: list[str] = []
        self._marks = 0
        self._changed = threading.Condition()  # guards what follows
        self._heard: deque[Heard] = deque()
        self._waiting: dict[str, int] = {}
        self._dropped: dict[str, int] = {}
        self._connected = self._was_connected = False
        self._marked = -1
        self._asked = self._confirmed = self._received = 0
        self._refusal: str | None = None
        self._client = client = Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=_VERSIONS[settings.version]
        )
        client.max_inflight_messages_set(_IN_FLIGHT)
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
            more.MaximumPacketSize = settings.max_received_bytes + _ROOM_FOR_HEADER_BYTES
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

    def listen(self, filters: Sequence[str]) -> None:
        """Subscribes; when it returns, all that the broker has retained there waits.

        Raises:
            Unavailable: the broker does not let us, or falls silent.
        """
        with self._changed:
            self._filters = [self._mark, *filters]
        self._client.subscribe([(each, 1) for each in self._filters])
        self._marks += 1
        number = self._marks
        self.publish(self._mark, str(number).encode())
        self._wait(lambda: self._marked >= number, "what it has retained did not come in time")

    def listen_only(self, filters: Sequence[str]) -> None:
        """Ends all subscriptions but these."""
        with self._changed:
            ended = [each for each in self._filters if each not in (self._mark, *filters)]
            self._filters = [self._mark, *filters]
        if ended:
            self._client.unsubscribe(ended)

    def gather(self, timeout_s: float, more_s: float) -> list[Heard]:
        """What has come, in order; from many boards at once, as one batch.

        Args:
            timeout_s: how long to wait for a first message.
            more_s: how long to wait for others after it.
        """
        with self._changed:
            if not self._heard:
                self._changed.wait_for(lambda: self._heard, timeout_s)
            until_s = monotonic() + more_s
            before = -1
            while self._heard and len(self._heard) != before:
                before = len(self._heard)
                if (left_s := until_s - monotonic()) <= 0:
                    break
                self._changed.wait(min(left_s, more_s / 4))
            found = list(self._heard)
            self._heard.clear()
            self._waiting.clear()
        return found

    def take(self, topic: str, payload: bytes) -> None:
        """Has a message wait to be gathered, unless too much of its sender waits already."""
        sender = self._sender_of(topic)
        with self._changed:
            waiting = self._waiting.get(sender, 0) + len(payload) + _OVERHEAD_BYTES
            if sender and waiting > self._most_bytes:
                self._dropped[sender] = self._dropped.get(sender, 0) + 1
                return
            self._waiting[sender] = waiting
            self._heard.append(Heard(topic, payload))

    def floods(self) -> dict[str, int]:
        """How many messages of each sender were dropped since the last time."""
        with self._changed:
            found, self._dropped = self._dropped, {}
        return found

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Sends a message at QoS 1, now or when the broker is back."""
        with self._changed:
            self._asked += 1
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

    def _wait(self, holds: Callable[[], bool], otherwise: str) -> None:
        """Waits as long as messages come."""
        with self._changed:
            last, by_s = self._received + self._confirmed, monotonic() + _PATIENCE_S
            while self._refusal is None and not holds():
                if (moves := self._received + self._confirmed) != last:
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
                self._heard.append(Heard("", b""))
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
                    self._refusal = f"does not let us listen to boards: {why}"
                    self._changed.notify_all()

    def _on_publish(self, client: Client, _: object, packet_id: int, code: Any, more: Any) -> None:
        with self._changed:
            self._confirmed += 1
            if code.is_failure:
                why = why_refused(code.value, str(code))
                self._refusal = f"does not let us write to boards: {why}"
            self._changed.notify_all()

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        with self._changed:
            self._received += 1
            if message.topic == self._mark:
                if message.payload.isdigit():
                    self._marked = max(self._marked, int(message.payload[:9]))
            else:
                self.take(message.topic, bytes(message.payload))
            self._changed.notify_all()
