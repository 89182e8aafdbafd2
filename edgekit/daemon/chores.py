"""What the daemon's main thread does again and again, each in its own time."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

_log = logging.getLogger(__name__)


@dataclass
class _Chore:
    every_s: float
    work: Callable[[], object]
    due_s: float


class Chores:
    """Calls functions at intervals, on the caller's thread; one that fails does not end the others.

    A chore that was late is next due an interval after it was done, so that a board that slept
    does not catch up.
    """

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._chores: dict[str, _Chore] = {}

    def add(self, name: str, every_s: float, work: Callable[[], object]) -> None:
        """Does the work every so many seconds, from an interval from now on."""
        self._chores[name] = _Chore(every_s, work, self._clock_s() + every_s)

    def set_interval(self, name: str, every_s: float) -> None:
        """Changes how often a chore is done, from now on."""
        chore = self._chores[name]
        chore.every_s, chore.due_s = every_s, self._clock_s() + every_s

    def do_due(self) -> float:
        """Does what is due; gives the seconds until something is."""
        for name, chore in self._chores.items():
            if self._clock_s() < chore.due_s:
                continue
            try:
                chore.work()
            except Exception:
                _log.exception("a bug in the chore %s", name)
            chore.due_s = self._clock_s() + chore.every_s
        now = self._clock_s()
        return max(0.0, min((chore.due_s for chore in self._chores.values()), default=now) - now)
