"""Which stored message goes to the broker next: live ones, and between them those that are late."""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from edgekit.messaging.backoff import jittered_backoff
from edgekit.messaging.outbox_message import Stored
from edgekit.messaging.outbox_rate import TokenBucket

FETCH = 64
"""How many late messages are read from the disk at a time."""

_MOST_LIVE = 512
_MOST_LOSSES = 5
_PARK_S = 600.0


@dataclass(frozen=True)
class Wish:
    """Which late messages are to be read from the disk: those between two ids.

    Attributes:
        after_id: left out.
        before_id: left out.
        generation: tells an answer to this wish from one that a lost connection made void.
    """

    after_id: int
    before_id: int
    generation: int


class OutboxLine:
    """What is in memory of the outbox. Not thread-safe, and knows neither disk nor network.

    A message that is stored while the broker takes messages is live. All others are late: they are
    read from the disk in the order of their ids, sent at a bounded rate, and fill at most half of
    what may be in flight, so that a live one never waits for them. What is unconfirmed when the
    connection is lost becomes late.

    Where connections end before the broker has confirmed anything, the next one starts with a
    single message; one that was alone at five such ends is set aside for ten minutes, so that it
    does not keep all others back. It is not dropped.
    """

    def __init__(
        self,
        *,
        next_id: int,
        late_per_s: float,
        is_stale: Callable[[Stored], bool],
        clock_s: Callable[[], float] = time.monotonic,
        backoff: Callable[[], Iterator[float]] = jittered_backoff,
    ) -> None:
        """Begins with no connection.

        Args:
            next_id: the first id that is not on the disk yet.
            late_per_s: how many late messages go out in a second at most.
            is_stale: whether a message has expired.
            clock_s: counts seconds.
            backoff: how long to leave a broker alone that has no room.
        """
        self.in_flight: dict[int, Stored] = {}
        self.done: dict[int, int] = {}
        """Sizes by id of what needs no sending any more and is on the disk still."""
        self.stale: list[Stored] = []
        """What was found to have expired when its turn came."""
        self._next_id = next_id
        self._is_stale = is_stale
        self._clock_s = clock_s
        self._backoff = backoff
        self._bucket = TokenBucket(late_per_s, clock_s=clock_s)
        self._live: deque[Stored] = deque()
        self._late: deque[Stored] = deque()
        self._cursor = 0
        self._generation = 0
        self._window = 0
        self._is_careful = False
        self._has_answer = False
        self._losses: dict[int, int] = {}
        self._parked: dict[int, float] = {}
        self._held_until_s: float | None = None
        self._delays = backoff()

    @property
    def takes_live(self) -> bool:
        """Whether the broker takes messages now."""
        return self._window > 0 and self._held_until_s is None

    @property
    def is_busy(self) -> bool:
        """Whether anything is in flight, or live and about to be."""
        return bool(self.in_flight or self._live)

    def connected(self, window: int) -> None:
        """The broker is there; so many messages may be in flight."""
        self._window = window
        self._has_answer = False
        self.read_again()

    def connection_lost(self) -> list[int]:
        """What was on its way is late now; gives the ids of messages that are set aside."""
        if self.in_flight and not self._has_answer:
            for message_id in self.in_flight:
                self._losses[message_id] = self._losses.get(message_id, 0) + self._is_careful
            self._is_careful = True
        parked = [each for each in self.in_flight if self._losses.get(each, 0) >= _MOST_LOSSES]
        for message_id in parked:
            self._losses.pop(message_id)
            self._parked[message_id] = self._clock_s() + _PARK_S
        self._window = 0
        self._held_until_s = None
        self._forget()
        return parked

    def committed(self, stored: Sequence[Stored], next_id: int) -> None:
        """These are on the disk now."""
        self._next_id = next_id
        if self.takes_live:
            self._live.extend(stored)
            while len(self._live) > _MOST_LIVE:
                self._live.popleft()  # it is late now, and will be read from the disk

    def wish(self) -> Wish | None:
        """What to read from the disk now, if anything."""
        floor = self._live[0].id if self._live else self._next_id
        if not self.takes_live or len(self._late) > FETCH // 2 or self._cursor >= floor - 1:
            return None
        return Wish(self._cursor, floor, self._generation)

    def fetched(self, wish: Wish, found: Sequence[Stored]) -> None:
        """The answer to a wish: at most `FETCH` messages."""
        if wish.generation != self._generation:
            return
        self._cursor = found[-1].id if len(found) == FETCH else wish.before_id - 1
        known = self.in_flight.keys() | self.done.keys() | self._parked.keys()
        self._late.extend(each for each in found if each.id not in known)

    def take(self) -> Stored | None:
        """The next message to hand over; it is in flight from now on."""
        if self._held_until_s is not None and self._clock_s() >= self._held_until_s:
            self._held_until_s = None
        if any(until_s <= self._clock_s() for until_s in self._parked.values()):
            self.read_again()
        room = (1 if self._is_careful else self._window) - len(self.in_flight)
        if not self.takes_live or room <= 0:
            return None
        self._skip_stale(self._live)
        self._skip_stale(self._late)
        if self._live:
            message = self._live.popleft()
        elif self._late and self._has_room_for_late():
            if not self._bucket.take():
                return None
            message = self._late.popleft()
        else:
            return None
        self.in_flight[message.id] = message
        return message

    def wait_s(self) -> float | None:
        """Seconds until there may be something to take that is not there now."""
        if self._held_until_s is not None:
            return max(0.0, self._held_until_s - self._clock_s())
        return self._bucket.wait_s() if self._late and self._has_room_for_late() else None

    def settled(self, message_id: int) -> Stored | None:
        """A message is done with, confirmed or refused; `None` where it was not in flight."""
        message = self.in_flight.pop(message_id, None)
        if message is not None:
            self.done[message_id] = message.size_bytes
            self._losses.pop(message_id, None)
            self._has_answer, self._is_careful = True, False
            self._delays = self._backoff()
        return message

    def hold(self, message_id: int) -> float:
        """The broker has no room for a message: it is late, and all others wait too.

        Returns:
            For how many seconds. What else is in flight may still be confirmed.
        """
        if self._held_until_s is None:
            self._held_until_s = self._clock_s() + next(self._delays)
        self._has_answer, self._is_careful = True, False
        self.in_flight.pop(message_id, None)
        self._live.clear()
        self.read_again()
        return self._held_until_s - self._clock_s()

    def gone(self, ids: Iterable[int]) -> list[int]:
        """These are to be deleted; gives those that are not in flight and so may be."""
        may_go = {each for each in ids if each not in self.in_flight and each not in self.done}
        self._live = deque(each for each in self._live if each.id not in may_go)
        self._late = deque(each for each in self._late if each.id not in may_go)
        for each in may_go:
            self._parked.pop(each, None)
        return sorted(may_go)

    def deleted(self, ids: Collection[int]) -> None:
        """These are off the disk."""
        for each in ids:
            self.done.pop(each, None)

    def read_again(self) -> None:
        """What is late is read from the disk once more, with what was set aside for long enough."""
        now_s = self._clock_s()
        self._parked = {each: until_s for each, until_s in self._parked.items() if until_s > now_s}
        self._late.clear()
        self._cursor = 0
        self._generation += 1

    def _forget(self) -> None:
        """All that is unconfirmed is to be read again, where anyone asks for it."""
        self.in_flight.clear()
        self._live.clear()
        self.read_again()

    def _has_room_for_late(self) -> bool:
        late = sum(each.is_late for each in self.in_flight.values())
        return late < (1 if self._is_careful else max(1, self._window // 2))

    def _skip_stale(self, line: deque[Stored]) -> None:
        while line and self._is_stale(line[0]):
            stale = line.popleft()
            self.done[stale.id] = stale.size_bytes
            self.stale.append(stale)
