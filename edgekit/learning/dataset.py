"""What a model learns from, and the order in which it sees it."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError

Batch = tuple[Array, ...]
"""An array for each of a step's batch inputs, in the order of `Step.batch`."""


class Dataset(Protocol):
    """Samples that can be asked for by number."""

    @property
    def ahead(self) -> int:
        """How many batches a thread makes ahead; 0 where making one takes no time."""
        ...

    @property
    def views(self) -> int:
        """How many rows of a batch each sample becomes; those of the first view come first."""
        ...

    def __len__(self) -> int:
        """How many samples there are."""
        ...

    def batch(self, numbers: Array, seed: tuple[int, ...]) -> Batch:
        """Some samples, an array for each of a step's batch inputs.

        Args:
            numbers: int64, which samples.
            seed: of whatever chance does to them; the same seed gives the same batch.
        """
        ...


def batches(data: Dataset, rows: int, *, seed: int, epoch: int) -> Iterator[Batch]:
    """One epoch in batches, in an order that follows from the seed and the epoch.

    What does not fill a batch is left out; another epoch leaves out others.

    Args:
        data: the samples.
        rows: how many rows a batch has.
        seed: of the order, and of what `data` leaves to chance.
        epoch: which pass over the data this is.

    Raises:
        InputError: there are too few samples for one batch.
    """
    size = samples_a_batch(data, rows)
    order = np.random.default_rng((seed, epoch)).permutation(len(data))
    for number in range(len(order) // size):
        chosen = order[number * size : (number + 1) * size]
        yield data.batch(chosen, (seed, epoch, number))


def batches_in_order(data: Dataset, rows: int) -> Iterator[tuple[Batch, int]]:
    """All samples in order, in batches, and how many samples each batch brings.

    The last batch is filled with repetitions of the last sample.
    """
    size = samples_a_batch(data, rows, enough=False)
    for start in range(0, len(data), size):
        numbers = np.minimum(np.arange(start, start + size), len(data) - 1)
        yield data.batch(numbers, (0, start)), min(size, len(data) - start)


def samples_a_batch(data: Dataset, rows: int, *, enough: bool = True) -> int:
    """How many samples make a batch of `rows`.

    Raises:
        InputError: no whole number of them, or there are none, or fewer than a batch and not
            `enough` of them.
    """
    if len(data) == 0:
        raise InputError("there are no samples to learn from")
    if rows % data.views:
        raise InputError(f"batches of {rows} rows cannot hold {data.views} views of each sample")
    size = rows // data.views
    if enough and len(data) < size:
        raise InputError(
            f"{len(data)} samples do not fill a batch of {size}; compile the step for fewer rows"
        )
    return size
