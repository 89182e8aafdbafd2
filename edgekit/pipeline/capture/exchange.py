"""The child's side of the slots: what is free, what waits, and what the parent has asked for."""

import threading
import time
from collections import deque
from collections.abc import Callable

from edgekit.pipeline.capture.protocol import SLOTS, Alive, Captured, ToParent

Send = Callable[[ToParent], None]


class Exchange:
    """Stands between the thread that makes pictures and the one that hears the parent.

    Of a live source at most one picture waits, the newest: an older one gives up its slot. Of
    other sources all wait, in order, and whoever makes them waits for a slot.
    """

    def __init__(
        self,
        send: Send,
        *,
        is_live: bool,
        beat_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Has every slot free, and nothing asked.

        Args:
            send: sends one message to the parent.
            is_live: whether only the newest picture is worth anything.
            beat_s: how often a reader that moves says so, while the parent waits.
            clock: seconds.
        """
        self._send = send
        self._is_live = is_live
        self._beat_s = beat_s
        self._clock = clock
        self._changed = threading.Condition()
        self._free = set(range(SLOTS))
        self._waiting: deque[ToParent] = deque()
        self._is_asked = False
        self._is_over = False
        self._said_at_s = clock()
        self._skipped = 0
        self._thinned = 0

    def ask(self) -> None:
        """The parent wants one more."""
        with self._changed:
            self._is_asked = True
            self._said_at_s = self._clock()
            self._hand_over()

    def release(self, slot: int) -> None:
        """The parent has done with a slot."""
        with self._changed:
            self._free.add(slot)
            self._changed.notify_all()

    def close(self) -> None:
        """The parent is gone: nobody waits any more."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    @property
    def is_over(self) -> bool:
        """Whether the parent is gone."""
        return self._is_over

    def slot(self) -> int | None:
        """A slot to write to, of a live source that of the picture that waits, if need be.

        `None` when the parent is gone, or when it holds all and the source is live: the picture
        is skipped then.
        """
        with self._changed:
            while not self._free and not self._is_over:
                if self._is_live:
                    self._skipped += 1
                    self._take_back(Captured)
                    break
                self._changed.wait()
            if not self._free:
                return None
            return None if self._is_over else self._free.pop()

    def offer(self, message: ToParent) -> None:
        """Leaves something for the parent."""
        with self._changed:
            if self._is_live:
                taken_back = self._take_back(type(message))
                self._skipped += taken_back if isinstance(message, Captured) else 0
            self._waiting.append(message)
            self._hand_over()

    def skip(self, count: int = 1) -> None:
        """Counts pictures that a newer one replaced."""
        self._skipped += count

    def thin(self) -> None:
        """Counts a picture that its rate left out."""
        self._thinned += 1

    def beat(self) -> None:
        """The reader moves, though there is nothing to give."""
        with self._changed:
            now = self._clock()
            if self._is_asked and now - self._said_at_s >= self._beat_s:
                self._said_at_s = now
                self._send(Alive())

    def _take_back(self, kind: type[ToParent]) -> int:
        """Lets go of what waits of a kind; how many there were."""
        old = [item for item in self._waiting if isinstance(item, kind)]
        for item in old:
            self._waiting.remove(item)
            if isinstance(item, Captured):
                self._free.add(item.slot)
        return len(old)

    def _hand_over(self) -> None:
        if not (self._is_asked and self._waiting):
            return
        message = self._waiting.popleft()
        if isinstance(message, Captured):
            message = Captured(
                message.slot,
                message.taken_at_ns,
                message.taken_at_ms,
                message.origin,
                self._skipped,
                self._thinned,
            )
            self._skipped = self._thinned = 0
        self._is_asked = False
        self._send(message)
