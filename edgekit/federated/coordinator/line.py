"""The federated coordinator's connection to the broker: no board can fill its memory."""

from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic

from edgekit.messaging.line import BrokerLine, Heard, LineSettings
from edgekit.messaging.settings import MqttSettings

_IN_FLIGHT = 1000
_ROOM_FOR_HEADER_BYTES = 128 * 1024
_OVERHEAD_BYTES = 256
"""What a waiting message costs beside its payload."""


class Line(BrokerLine):
    """What came waits in memory until it is gathered.

    Of each sender at most `most_bytes` wait; what it sends beyond is dropped and counted.
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
        line = LineSettings(
            mark=mark,
            listens_to="boards",
            writes="to boards",
            in_flight=_IN_FLIGHT,
            packet_bytes=settings.max_received_bytes + _ROOM_FOR_HEADER_BYTES,
        )
        super().__init__(settings, client_id, line)
        self._most_bytes, self._sender_of = most_bytes, sender_of
        self._heard: deque[Heard] = deque()
        self._waiting: dict[str, int] = {}
        self._dropped: dict[str, int] = {}

    def listen(self, filters: Sequence[str]) -> None:
        """Subscribes; when it returns, all that the broker has retained there waits.

        Raises:
            Unavailable: the broker does not let us, or falls silent.
        """
        self._hear_all(filters, "what it has retained did not come in time")

    def listen_only(self, filters: Sequence[str]) -> None:
        """Ends all subscriptions but these."""
        kept = (self._line.mark, *filters)
        self._end([each for each in self._filters if each not in kept])

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

    def _arrived(self, heard: Heard) -> None:
        if heard.topic:
            self.take(heard.topic, heard.payload)
        else:
            self._heard.append(heard)
