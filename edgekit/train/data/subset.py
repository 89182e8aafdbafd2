"""Parts of a data set, and how to cut it into folds."""

from collections.abc import Iterator

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.train.data.dataset import Batch, Dataset


class Subset:
    """Some samples of a data set.

    Args:
        data: all samples.
        numbers: int64, which of them.
    """

    def __init__(self, data: Dataset, numbers: Array) -> None:
        self._data, self._numbers = data, numbers
        self.ahead, self.views = data.ahead, data.views

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self._numbers)

    def batch(self, numbers: Array, seed: tuple[int, ...]) -> Batch:
        """See `Dataset`."""
        return self._data.batch(self._numbers[numbers], seed)


def folds(
    data: Dataset, count: int, *, classes: Array | None = None, seed: int = 0
) -> Iterator[tuple[Subset, Subset]]:
    """Cuts a data set into `count` parts; each serves once for validation, the others to train.

    Args:
        data: the samples.
        count: how many parts, at least 2.
        classes: int64 `[len(data)]`; each part then has about the same share of each.
        seed: of the order in which samples are dealt out.

    Yields:
        What to train with, and what to validate with.

    Raises:
        InputError: there are fewer samples, or samples of a class, than parts.
    """
    kind = KFold if classes is None else StratifiedKFold
    fewest = len(data) if classes is None else int(np.unique(classes, return_counts=True)[1].min())
    if not 2 <= count <= fewest:
        what = "samples" if classes is None else "samples of the rarest class"
        raise InputError(f"{fewest} {what} cannot be cut into {count} folds; 2 to {fewest} can")
    cut = kind(count, shuffle=True, random_state=seed)
    for training, validation in cut.split(np.zeros(len(data)), classes):
        yield Subset(data, training), Subset(data, validation)
