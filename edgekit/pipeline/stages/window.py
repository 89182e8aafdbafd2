"""Collects sensor rows into windows."""

import numpy as np

from edgekit.bundle import WindowRule
from edgekit.pipeline.parts import Sample


class Window:
    """Gives a window of the last `length` rows, every `hop` rows.

    No row is lost before it has been in every window it belongs to. A window never spans a
    gap: after `reset` the next one starts afresh.
    """

    def __init__(self, rule: WindowRule) -> None:
        self._hop = rule.hop
        self._rows = np.empty((rule.length, len(rule.columns)))
        self._missing = rule.length

    def push(self, sample: Sample, /) -> Sample | None:
        """Takes a row float `[columns]`; gives the window that it completes, if it does.

        The window is float64 `[length, columns]`, its times and origin are the last row's.
        """
        self._rows[:-1] = self._rows[1:]
        self._rows[-1] = sample.data
        self._missing -= 1
        if self._missing > 0:
            return None
        self._missing = self._hop
        return Sample(self._rows.copy(), sample.taken_at_ns, sample.taken_at_ms, sample.origin)

    def reset(self) -> None:
        """Forgets the rows so far."""
        self._missing = len(self._rows)
