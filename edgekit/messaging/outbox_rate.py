"""Lets so many things a second through."""

import time
from collections.abc import Callable


class TokenBucket:
    """Holds at most a tenth of a second's worth, so that a pause is not made up for in a burst."""

    def __init__(self, per_s: float, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._clock_s = clock_s
        self._most = max(1.0, per_s / 10)
        self._tokens = 1.0
        self._at_s = clock_s()

    def take(self) -> bool:
        """Whether one may go now."""
        self._fill()
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def wait_s(self) -> float:
        """Seconds until one may go."""
        self._fill()
        return max(0.0, (1.0 - self._tokens) / self._per_s)

    def _fill(self) -> None:
        now_s = self._clock_s()
        self._tokens = min(self._most, self._tokens + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
