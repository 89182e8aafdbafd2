"""What was handed to the outbox and is not being committed yet."""

import time
from collections.abc import Callable

from edgekit.messaging.outbox_message import Letter, Priority
from edgekit.messaging.outbox_ticket import Ticket

_MOST_BYTES = 4 * 1024 * 1024

Handed = tuple[Letter, Ticket]


class Pending:
    """A bounded heap of letters that says when it is due. Not thread-safe."""

    def __init__(self, gather_s: float, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._gather_s = gather_s
        self._clock_s = clock_s
        self._handed: list[Handed] = []
        self._bytes = 0
        self._is_urgent = False
        self._since_s = 0.0

    def __len__(self) -> int:
        return len(self._handed)

    def add(self, letter: Letter, ticket: Ticket) -> bool:
        """Puts a letter on the heap; false where there is no room."""
        if self._bytes + letter.size_bytes > _MOST_BYTES and self._handed:
            return False
        if not self._handed:
            self._since_s = self._clock_s()
        self._handed.append((letter, ticket))
        self._bytes += letter.size_bytes
        self._is_urgent |= letter.priority is Priority.EVENT or self._bytes > _MOST_BYTES // 2
        return True

    def take_all(self) -> list[Handed]:
        """Empties the heap."""
        handed, self._handed, self._bytes, self._is_urgent = self._handed, [], 0, False
        return handed

    def due_s(self) -> float:
        """Seconds until it has to be committed: an event at once."""
        if self._is_urgent:
            return 0.0
        return self._since_s + self._gather_s - self._clock_s()
