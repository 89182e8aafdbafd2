"""Samples that are in memory."""

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.dataset import Batch


class Arrays:
    """Samples along the first axis of one or more arrays, such as inputs and targets.

    Args:
        arrays: one for each of a step's batch inputs, in their order; `[samples, ...]`.

    Raises:
        InputError: they hold different numbers of samples.
    """

    ahead = 0
    views = 1

    def __init__(self, *arrays: Array) -> None:
        counts = {len(array) for array in arrays}
        if len(counts) != 1:
            raise InputError(
                f"arrays of {', '.join(str(len(a)) for a in arrays)} samples do not belong together"
            )
        self._arrays = arrays
        self._count = counts.pop()

    def __len__(self) -> int:
        """How many samples there are."""
        return self._count

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All of them, not copied."""
        return self._arrays

    def batch(self, numbers: Array, seed: tuple[int, ...]) -> Batch:
        """See `Dataset`."""
        return tuple(array[numbers] for array in self._arrays)
