"""Decides which pictures of a stream are worth decoding."""

_NS = 1_000_000_000


class Pace:
    """Lets at most so many pictures a second pass, evenly.

    Keeps to a grid rather than to the last picture, so that 10 Hz of a camera at 30 Hz that
    trembles is every third picture and not now the third, now the fourth.
    """

    def __init__(self, max_hz: float | None) -> None:
        self._due_ns: int | None = None
        self._period_ns = 0
        self.set_rate(max_hz)

    def set_rate(self, max_hz: float | None) -> None:
        """From now on; `None` lets every picture pass."""
        self._period_ns = 0 if max_hz is None else round(_NS / max_hz)
        self._due_ns = None

    def wait_ns(self, now_ns: int) -> int:
        """How long until the next picture may pass."""
        return 0 if self._due_ns is None else max(0, self._due_ns - now_ns)

    def passes(self, now_ns: int) -> bool:
        """Whether a picture that is there now passes; then its turn is used up."""
        due_ns = self._due_ns
        if due_ns is not None and now_ns < due_ns:
            return False
        if self._period_ns:
            is_late = due_ns is None or now_ns - due_ns >= self._period_ns
            self._due_ns = (now_ns if is_late or due_ns is None else due_ns) + self._period_ns
        return True
