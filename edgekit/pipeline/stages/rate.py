"""Lets at most so many samples a second through."""

from edgekit.pipeline.parts import Sample

_EARLY = 0.25
_CLOSEST = 0.75


class Rate:
    """A cap on the rate, evenly spaced.

    Samples are due at whole periods. One that comes up to a quarter of a period early still
    passes, so that a source of just that rate loses nothing to jitter, and after a pause there
    is no burst: two samples are at least half a period apart. In the long run no more than
    `hz` pass.
    """

    def __init__(self, max_hz: float | None = None) -> None:
        """Makes the stage.

        Args:
            max_hz: samples a second; `None` lets all pass until `set_rate`.
        """
        self._max_hz = max_hz
        self._hz = max_hz
        self._due_ns: float | None = None

    @property
    def hz(self) -> float | None:
        """The cap in force; `None` is none."""
        return self._hz

    def set_rate(self, hz: float | None) -> None:
        """Lowers the cap, from any thread; `None` goes back to what the stage was made with.

        Never above what the stage was made with.
        """
        caps = [cap for cap in (hz, self._max_hz) if cap is not None]
        self._hz = min(caps, default=None)

    def push(self, sample: Sample, /) -> Sample | None:
        """The sample, where one is due by its `taken_at_ns`; else releases it."""
        hz = self._hz
        if hz is None:
            self._due_ns = None
            return sample
        period_ns = 1e9 / hz
        latest_ns = (1 + _EARLY) * period_ns  # where the cap was lower before
        now_ns = sample.taken_at_ns
        due_ns = now_ns if self._due_ns is None else min(self._due_ns, now_ns + latest_ns)
        if now_ns < due_ns - _EARLY * period_ns:
            self._due_ns = due_ns
            sample.release()
            return None
        self._due_ns = max(due_ns + period_ns, now_ns + _CLOSEST * period_ns)
        return sample

    def reset(self) -> None:
        """Changes nothing: a gap gives no right to a burst."""
