"""Data sets of unlabelled samples, made from others, in which something can be learned.

Chance does what the seed says, so a training that goes on after an interruption sees the same.
"""

from collections.abc import Callable

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.dataset import Batch, Dataset

Change = Callable[[Array, np.random.Generator], Array]
"""From samples `[N, ...]` to samples of the same shape that show the same."""

QUARTERS = 4


class _View:
    """What all views share.

    Args:
        data: samples; the first array of each batch counts, labels are left out.

    Raises:
        InputError: the samples are views already.
    """

    def __init__(self, data: Dataset, views: int = 1) -> None:
        if data.views != 1:
            raise InputError("a view of views cannot be made")
        self._data = data
        self.ahead, self.views = data.ahead, views

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self._data)

    def _given(self, numbers: Array, seed: tuple[int, ...]) -> Array:
        return self._data.batch(numbers, seed)[0]


class TwoViews(_View):
    """Each sample changed by chance, then each once more. Chen et al., 2020, arXiv:2002.05709.

    Args:
        data: unlabelled samples.
        change: what chance may do to them.
    """

    def __init__(self, data: Dataset, change: Change) -> None:
        super().__init__(data, views=2)
        self._change = change

    def batch(self, numbers: Array, seed: tuple[int, ...]) -> Batch:
        """See `Dataset`."""
        given, rng = self._given(numbers, seed), np.random.default_rng(seed)
        return (np.concatenate([self._change(given, rng) for _ in range(2)]),)


class Triplets(_View):
    """Each sample, then each changed by chance, then another one for each, changed as well.

    Args:
        data: unlabelled samples; the other one is any other of the batch.
        change: what chance may do to them.
    """

    def __init__(self, data: Dataset, change: Change) -> None:
        super().__init__(data, views=3)
        self._change = change

    def batch(self, numbers: Array, seed: tuple[int, ...]) -> Batch:
        """See `Dataset`."""
        given, rng = self._given(numbers, seed), np.random.default_rng(seed)
        others = np.roll(given, int(rng.integers(1, max(2, len(given)))), axis=0)
        parts = [given, self._change(given, rng), self._change(others, rng)]
        return (np.concatenate(parts),)


class Rotations(_View):
    """Each picture turned by 0, 90, 180 and 270 degrees, and how often, int64 `[4 N]`.

    Gidaris et al., 2018, arXiv:1803.07728.

    Args:
        data: square pictures.
        axes: which axes of a batch are a picture's rows and columns.
    """

    def __init__(self, data: Dataset, axes: tuple[int, int]) -> None:
        super().__init__(data, views=QUARTERS)
        self._axes = axes

    def batch(self, numbers: Array, seed: tuple[int, ...]) -> Batch:
        """See `Dataset`."""
        given = self._given(numbers, seed)
        turned = [np.rot90(given, turns, self._axes) for turns in range(QUARTERS)]
        return np.concatenate(turned), np.repeat(np.arange(QUARTERS), len(given))


class Changed(_View):
    """Each sample, and the same changed by chance: what is to be undone.

    Args:
        data: unlabelled samples.
        change: what chance may do to them.
    """

    def __init__(self, data: Dataset, change: Change) -> None:
        super().__init__(data)
        self._change = change

    def batch(self, numbers: Array, seed: tuple[int, ...]) -> Batch:
        """See `Dataset`."""
        given = self._given(numbers, seed)
        return given, self._change(given, np.random.default_rng(seed))


class Masks(_View):
    """Each sample, and which of its numbers may be seen, bool of the same shape.

    Args:
        data: unlabelled samples.
        patch: how long the blocks that are hidden as one are, along each axis behind the batch's.
        share: of the blocks that is hidden, at least one and not all of them.
    """

    def __init__(self, data: Dataset, patch: tuple[int, ...], share: float) -> None:
        super().__init__(data)
        self._patch, self._share = patch, share

    def batch(self, numbers: Array, seed: tuple[int, ...]) -> Batch:
        """See `Dataset`."""
        given = self._given(numbers, seed)
        grid = [-(-n // patch) for n, patch in zip(given.shape[1:], self._patch, strict=True)]
        blocks = int(np.prod(grid))
        hidden = min(max(1, round(self._share * blocks)), blocks - 1)
        order = np.random.default_rng(seed).random((len(given), blocks)).argsort(axis=1)
        seen = (order >= hidden).reshape(-1, *grid)
        for axis, patch in enumerate(self._patch, start=1):
            seen = seen.repeat(patch, axis=axis).take(np.arange(given.shape[axis]), axis=axis)
        return given, seen


class WithNoise(_View):
    """Each sample, and standard normal numbers, float32 `[N, count]`.

    Args:
        data: unlabelled samples.
        count: how many numbers each gets.
    """

    def __init__(self, data: Dataset, count: int) -> None:
        super().__init__(data)
        self._count = count

    def batch(self, numbers: Array, seed: tuple[int, ...]) -> Batch:
        """See `Dataset`."""
        given, rng = self._given(numbers, seed), np.random.default_rng(seed)
        return given, rng.standard_normal((len(given), self._count), np.float32)
