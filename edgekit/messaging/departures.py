"""What goes to the broker next, of all that may: the status, the line in memory, the outbox."""

from collections.abc import Callable
from dataclasses import dataclass

from edgekit.messaging.outbox import Outbox, Stored
from edgekit.messaging.outgoing import Outgoing, Publication

_PACKET_ROOM_BYTES = 64
"""What a packet holds beside topic, payload and correlation data, at most."""


@dataclass(frozen=True)
class Departure:
    """A message that is to be handed over now.

    Attributes:
        publication: the message.
        stored: what it is in the outbox, where it comes from there.
        is_status: whether it is the board's own status.
    """

    publication: Publication
    stored: Stored | None = None
    is_status: bool = False

    @property
    def size_bytes(self) -> int:
        """What its packet takes at most."""
        item = self.publication
        parts = (item.topic.encode(), item.payload, item.correlation_data or b"")
        return sum(map(len, parts)) + _PACKET_ROOM_BYTES


class Departures:
    """Chooses the next message and remembers those in flight. Not thread-safe but for the outbox.

    Attributes:
        status: the board's status, until it is handed over.
    """

    def __init__(
        self, outgoing: Outgoing, outbox: Outbox | None, *, too_large: Callable[[str, int], None]
    ) -> None:
        """Begins with no connection.

        Args:
            outgoing: the line in memory.
            outbox: what is on the disk, where anything is.
            too_large: told the topic and the bytes of what the broker does not take.
        """
        self._too_large = too_large
        self.status: Publication | None = None
        self._outgoing = outgoing
        self._outbox = outbox
        self._window = 0
        self._largest_bytes: int | None = None
        self._statuses: set[int] = set()
        self._stored: dict[int, Stored] = {}

    @property
    def has_status(self) -> bool:
        """Whether a status waits for the network or for the broker's answer."""
        return self.status is not None or bool(self._statuses)

    @property
    def waits(self) -> bool:
        """Whether there is any message that the broker has not confirmed."""
        is_empty = self._outbox is None or self._outbox.is_empty
        return bool(self._outgoing.counts.waiting) or not is_empty

    @property
    def is_busy(self) -> bool:
        """Whether closing should wait for a message: not for those that are late."""
        is_live = self._outbox is not None and self._outbox.is_busy
        return bool(self._outgoing.counts.waiting) or is_live

    def connected(self, window: int, largest_bytes: int | None) -> None:
        """The broker takes so many unconfirmed messages, and packets of so many bytes."""
        self._window, self._largest_bytes = window, largest_bytes
        if self._outbox is not None:
            self._outbox.connected(window)

    def connection_lost(self) -> None:
        """Nothing in flight will be confirmed."""
        self._statuses.clear()
        self._stored.clear()
        self._outgoing.connection_lost()
        if self._outbox is not None:
            self._outbox.connection_lost()

    def next(self) -> Departure | None:
        """The next message, to be handed over; what is too large for the broker is dropped."""
        while (departure := self._chosen()) is not None:
            if self._largest_bytes is None or departure.size_bytes <= self._largest_bytes:
                return departure
            self._drop(departure)
            self._too_large(departure.publication.topic, departure.size_bytes)
        return None

    def handed_over(self, departure: Departure, packet_id: int) -> None:
        """Notes that a message went out."""
        if departure.is_status:
            self._statuses.add(packet_id)
        elif departure.stored is not None:
            self._stored[packet_id] = departure.stored
        else:
            self._outgoing.handed_over(departure.publication, packet_id)

    def confirmed(self, packet_id: int, code: int) -> str | None:
        """Takes the broker's answer; gives the topic of the message that it is to."""
        if (stored := self._stored.pop(packet_id, None)) is not None:
            assert self._outbox is not None
            self._outbox.confirmed(stored.id, code)
            return stored.topic
        self._statuses.discard(packet_id)
        item = self._outgoing.confirmed(packet_id, accepted=code < 0x80)
        return item.topic if item else None

    def wait_s(self) -> float | None:
        """Seconds until there may be something that nobody announces."""
        return self._outbox.wait_s() if self._outbox is not None else None

    def _chosen(self) -> Departure | None:
        in_flight = len(self._statuses) + self._outgoing.in_flight + len(self._stored)
        if in_flight >= self._window:
            return None
        if self.status is not None:
            publication, self.status = self.status, None
            return Departure(publication, is_status=True)
        if (item := self._outgoing.take()) is not None:
            return Departure(item)
        if self._outbox is None or (stored := self._outbox.take()) is None:
            return None
        return Departure(Publication(stored.topic, stored.outgoing), stored=stored)

    def _drop(self, departure: Departure) -> None:
        if departure.stored is not None and self._outbox is not None:
            self._outbox.give_up(departure.stored.id, "too large")
        elif not departure.is_status:
            self._outgoing.give_up()
