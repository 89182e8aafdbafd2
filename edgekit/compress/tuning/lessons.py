"""The samples that tuning learns from: changed by chance, each with what is to be said of it."""

from collections.abc import Callable, Sequence

import numpy as np

from edgekit.array import Array
from edgekit.compress.tuning.changes import Change
from edgekit.train.data.dataset import Batch

Answer = Callable[[Array, Array], Array]
"""From a batch as it was changed, and the numbers of its samples, to what is to be said of it."""


class Lessons:
    """A `Dataset` of samples, each changed differently every epoch.

    Args:
        samples: each a batch of one, as the model takes it.
        change: what chance does to a batch.
        answer: is asked about the batch as it was changed.
    """

    ahead = 2
    views = 1

    def __init__(self, samples: Sequence[Array], change: Change, answer: Answer) -> None:
        self._samples, self._change, self._answer = samples, change, answer

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self._samples)

    def batch(self, numbers: Array, seed: tuple[int, ...]) -> Batch:
        """See `Dataset`."""
        batch = np.concatenate([self._samples[int(number)] for number in numbers])
        if self._change is not None:
            batch = self._change(batch, np.random.default_rng(seed))
        return batch, self._answer(batch, numbers)
