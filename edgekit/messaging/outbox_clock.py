"""How old stored messages are, over power cuts and on boards whose clock is wrong."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_TOLERANCE_S = 60.0
_SAYS_SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
_KEEPS_TIME = Path("/dev/rtc0")


def running_s() -> float:
    """Seconds by a clock that nobody sets and that goes on while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def clock_is_trusted() -> bool:
    """Whether the wall clock was set from the network, or a clock chip kept it."""
    return _SAYS_SYNCHRONISED.exists() or _KEEPS_TIME.exists()


@dataclass(frozen=True)
class Anchor:
    """A moment at which the wall clock was trusted.

    Attributes:
        wall_s: what it said, in seconds since 1970 UTC.
        age_s: what the outbox's clock said.
        next_run_id: the first id of the run after the one that saw it; `None` in that run itself.
    """

    wall_s: float
    age_s: float
    next_run_id: int | None = None


@dataclass(frozen=True)
class Gap:
    """For so long the board was off; all messages with smaller ids were waiting then."""

    before_id: int
    off_s: float


@dataclass(frozen=True)
class ClockState:
    """What the outbox's clock keeps on the disk."""

    age_s: float = 0.0
    anchor: Anchor | None = None
    gaps: tuple[Gap, ...] = ()


class OutboxClock:
    """Counts the seconds for which the outbox has been in use, and learns for how long it was off.

    While a board runs, its messages age by a clock that nobody sets. The time it was off is the
    difference of two readings of the wall clock, which is taken only where both were to be
    trusted; until then the time off counts for nothing. So a message never expires early for a
    clock that is wrong or jumps; it expires late, by the time off, where there is no right clock.
    """

    def __init__(
        self,
        state: ClockState,
        *,
        next_id: int,
        running_s: Callable[[], float] = running_s,
        wall_s: Callable[[], float] = time.time,
        is_trusted: Callable[[], bool] = clock_is_trusted,
    ) -> None:
        """Goes on where an earlier run ended.

        Args:
            state: what was kept of it.
            next_id: the first id that this run will give.
            running_s: counts seconds, never set.
            wall_s: seconds since 1970.
            is_trusted: whether `wall_s` can be believed now.
        """
        self._running_s = running_s
        self._wall_s = wall_s
        self._is_trusted = is_trusted
        self._started_s = running_s() - state.age_s
        anchor = state.anchor
        if anchor is not None and anchor.next_run_id is None:
            anchor = Anchor(anchor.wall_s, anchor.age_s, next_id)
        self._anchor = anchor
        self._gaps = state.gaps

    def now_s(self) -> float:
        """Seconds of use so far."""
        return self._running_s() - self._started_s

    def has_expired(self, message_id: int, expires_s: float) -> bool:
        """Whether a message is too old: by the time in use and the times off since it was stored.

        Args:
            message_id: its id.
            expires_s: `now_s()` when it was stored, and its time to live.
        """
        off_s = sum(gap.off_s for gap in self._gaps if message_id < gap.before_id)
        return self.now_s() + off_s >= expires_s

    def look(self, *, oldest_id: int) -> ClockState:
        """Reads the wall clock where it is trusted; gives what to keep on the disk.

        Args:
            oldest_id: of all messages; what was learned of times before it is forgotten.
        """
        age_s = self.now_s()
        if self._is_trusted():
            wall_s, anchor = self._wall_s(), self._anchor
            if anchor is not None and anchor.next_run_id is not None:
                off_s = (wall_s - anchor.wall_s) - (age_s - anchor.age_s)
                if off_s > _TOLERANCE_S:
                    self._gaps += (Gap(anchor.next_run_id, off_s),)
            self._anchor = Anchor(wall_s, age_s)
        self._gaps = tuple(gap for gap in self._gaps if gap.before_id > oldest_id)
        return ClockState(age_s, self._anchor, self._gaps)
