"""Collects sensor rows into windows."""

import numpy as np

from edgekit.bundle import WindowRule
from edgekit.pipeline.parts import Sample


class Window:
    """Gives a window of the last `length` rows, every `hop` rows.

    No row is lost before it has been in every window it belongs to. A window never spans a
    gap: after `reset`, or where the times of two rows are too far apart, the next one starts
    afresh.
    """

    def __init__(
        self, rule: WindowRule, *, hop: int | None = None, max_gap_s: float | None = None
    ) -> None:
        """Makes an empty window.

        Args:
            rule: the bundle's.
            hop: rows from one window to the next, in place of the rule's.
            max_gap_s: how far apart the times of two rows in a window may be; a row that is
                older than the one before it is a gap as well.
        """
        self._hop = rule.hop if hop is None else hop
        self._max_gap_ms = None if max_gap_s is None else max_gap_s * 1000
        self._rows = np.empty((rule.length, len(rule.columns)))
        self._missing = rule.length
        self._last_ms: int | None = None

    def push(self, sample: Sample, /) -> Sample | None:
        """Takes a row float `[columns]`; gives the window that it completes, if it does.

        The window is float64 `[length, columns]`, its times and origin are the last row's.
        """
        if self._is_gap(sample.taken_at_ms):
            self.reset()
        self._last_ms = sample.taken_at_ms
        self._rows[:-1] = self._rows[1:]
        self._rows[-1] = sample.data
        sample.release()
        self._missing -= 1
        if self._missing > 0:
            return None
        self._missing = self._hop
        return Sample(self._rows.copy(), sample.taken_at_ns, sample.taken_at_ms, sample.origin)

    def reset(self) -> None:
        """Forgets the rows so far."""
        self._missing = len(self._rows)
        self._last_ms = None

    def _is_gap(self, taken_at_ms: int) -> bool:
        if self._max_gap_ms is None or self._last_ms is None:
            return False
        return not 0 <= taken_at_ms - self._last_ms <= self._max_gap_ms
