"""The samples of many clients, in one place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError


@dataclass(frozen=True)
class Clients:
    """Who has which samples.

    Attributes:
        arrays: `[samples, ...]`, one for each input of a batch; the last are the classes, int64.
        parts: for each client which samples are its own, int64; one at least.
        test: as `arrays`, what the global model is judged by; nobody has them.
    """

    arrays: tuple[Array, ...]
    parts: Sequence[Array]
    test: tuple[Array, ...]

    def __post_init__(self) -> None:
        empty = [number for number, part in enumerate(self.parts) if len(part) == 0]
        if empty:
            raise InputError(
                f"{len(empty)} clients have no samples, such as {empty[0]}; take fewer clients, or "
                "another split"
            )

    def __len__(self) -> int:
        return len(self.parts)

    def samples(self, number: int) -> tuple[Array, ...]:
        """The arrays of one client."""
        return tuple(array[self.parts[number]] for array in self.arrays)

    def label_counts(self, number: int, classes: int) -> Array:
        """How many samples of each class a client has, int64 `[classes]`."""
        return np.bincount(self.arrays[-1][self.parts[number]], minlength=classes)
