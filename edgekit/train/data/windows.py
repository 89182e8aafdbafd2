"""Windows of sensor rows, cut as they are asked for."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.train.data.dataset import Batch


class Windows:
    """Runs of rows that follow each other; they overlap and are not copied until asked for.

    Args:
        rows: float `[T, columns]`, in the order of time.
        length: how many rows a window has.
        hop: how many rows later the next window begins.
        targets: `[T, ...]`, one a row; a window has that of its last row.
        noise: the standard deviation of normal noise that is added, in each column's own
            standard deviations.

    Raises:
        InputError: there are too few rows for one window, or not one target a row.
    """

    ahead = 0
    views = 1

    def __init__(
        self,
        rows: Array,
        length: int,
        *,
        hop: int = 1,
        targets: Array | None = None,
        noise: float = 0.0,
    ) -> None:
        if length < 1 or hop < 1:
            raise InputError(f"windows of {length} rows, each {hop} later, cannot be cut")
        if len(rows) < length:
            raise InputError(f"{len(rows)} rows are too few for a window of {length}")
        if targets is not None and len(targets) != len(rows):
            raise InputError(f"{len(targets)} targets do not go with {len(rows)} rows")
        self._windows = sliding_window_view(rows, length, axis=0)[::hop].swapaxes(1, 2)
        self._targets = None if targets is None else targets[length - 1 :: hop]
        self._noise = noise * rows.std(axis=0) if noise else None

    def __len__(self) -> int:
        """How many windows there are."""
        return len(self._windows)

    def batch(self, numbers: Array, seed: tuple[int, ...]) -> Batch:
        """See `Dataset`."""
        windows = self._windows[numbers].astype(np.float32)
        if self._noise is not None:
            rng = np.random.default_rng(seed)
            windows += (self._noise * rng.standard_normal(windows.shape)).astype(np.float32)
        return (windows,) if self._targets is None else (windows, self._targets[numbers])
