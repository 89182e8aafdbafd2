"""What is on its way to the broker: a bounded line, and what is in flight until confirmed."""

from collections import deque
from dataclasses import dataclass, replace

_MOST_LOSSES = 5
"""A message that was in flight at this many lost connections may be what ends them."""


@dataclass(frozen=True)
class Publication:
    """One message to a topic.

    Attributes:
        topic: where to.
        payload: the bytes.
        qos: 0 or 1.
        retain: whether the broker keeps it for later subscribers.
        correlation_data: which question it answers; MQTT 5 only.
        losses: how many connections ended with it in flight.
    """

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    correlation_data: bytes | None = None
    losses: int = 0


@dataclass(frozen=True)
class LinkCounts:
    """What became of the messages since the link was made; its own status messages are not counted.

    Attributes:
        sent: handed to the network and not lost with a connection.
        acknowledged: confirmed by the broker (QoS 0: sent).
        dropped: pushed out of a full line, refused by the broker, lost with five connections, or
            left over when the link closed.
        waiting: neither confirmed nor dropped yet.
    """

    sent: int
    acknowledged: int
    dropped: int
    waiting: int


class Outgoing:
    """A line of at most `limit` messages; in a full one the oldest makes room for the newest.

    Live data is worth most when it is fresh. Messages in flight count towards the limit but are
    never pushed out, since the broker may have them already. Not thread-safe.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._line: deque[Publication] = deque()
        self._in_flight: dict[int, Publication] = {}
        self._sent = self._acknowledged = self._dropped = 0

    @property
    def counts(self) -> LinkCounts:
        """The counts as they stand."""
        waiting = len(self._line) + len(self._in_flight)
        return LinkCounts(self._sent, self._acknowledged, self._dropped, waiting)

    @property
    def in_flight(self) -> int:
        """How many were handed over and not confirmed."""
        return len(self._in_flight)

    def add(self, publication: Publication) -> bool:
        """Puts a message at the end of the line; false where all the room is in flight."""
        if self.counts.waiting >= self._limit:
            self._dropped += 1
            if not self._line:
                return False
            self._line.popleft()
        self._line.append(publication)
        return True

    def take(self) -> Publication | None:
        """The next message to hand over, out of the line."""
        return self._line.popleft() if self._line else None

    def handed_over(self, publication: Publication, packet_id: int) -> None:
        """Notes that a message went out under a packet id; QoS 0 is done with that."""
        self._sent += 1
        if publication.qos == 0:
            self._acknowledged += 1
        else:
            self._in_flight[packet_id] = publication

    def confirmed(self, packet_id: int, *, accepted: bool) -> Publication | None:
        """Notes the broker's answer, and gives the message it was to."""
        publication = self._in_flight.pop(packet_id, None)
        if publication is not None:
            self._acknowledged += accepted
            self._dropped += not accepted
        return publication

    def give_up(self) -> None:
        """Notes that the message just taken will never be sent."""
        self._dropped += 1

    def connection_lost(self) -> None:
        """Puts what was in flight back at the head of the line, in order, to be sent again."""
        lost = [replace(item, losses=item.losses + 1) for item in self._in_flight.values()]
        kept = [item for item in lost if item.losses < _MOST_LOSSES]
        self._in_flight.clear()
        self._sent -= len(kept)
        self._dropped += len(lost) - len(kept)
        self._line.extendleft(reversed(kept))

    def abandon(self) -> int:
        """Drops everything that waits, and says how many that were."""
        left = self.counts.waiting
        self._line.clear()
        self._in_flight.clear()
        self._dropped += left
        return left
