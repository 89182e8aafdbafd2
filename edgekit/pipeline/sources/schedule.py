"""A schedule without drift: when the next reading is due, and how many were missed."""


class Schedule:
    """Due times at whole intervals from the first.

    Pure: the times are told. A reading that takes long makes none of the later ones late, and
    what was missed is skipped, not caught up with.
    """

    def __init__(self, interval_s: float, *, start_ns: int) -> None:
        self._interval_ns = max(1, round(interval_s * 1e9))
        self._due_ns = start_ns

    @property
    def due_ns(self) -> int:
        """When the next reading is due."""
        return self._due_ns

    def advance(self, now_ns: int) -> int:
        """Goes on to the next due time, after the reading of the last; says how many were missed.

        A due time is missed where a whole interval has gone by since: the next one is then the
        latest that is not past it.
        """
        self._due_ns += self._interval_ns
        missed = max(0, (now_ns - self._due_ns) // self._interval_ns)
        self._due_ns += missed * self._interval_ns
        return missed
