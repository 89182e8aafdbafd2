"""What a step calls its inputs and outputs, and whether a batch fits them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError

RATE = "learning_rate"
"""The scalar input of a step that says how far to go."""

LOSS = "loss"
"""The scalar output of a step: the mean over the batch."""

LOSSES = "losses"
"""The output of an evaluation, float32 `[N]`: the loss of each sample."""


def next_name(name: str) -> str:
    """What the output is called that holds an input's value for the next step."""
    return f"next({name})"


@dataclass(frozen=True)
class TensorSpec:
    """One tensor that a step takes.

    Attributes:
        name: of the graph's input.
        dtype: as NumPy writes it, such as `float32`.
        shape: the batch's axis included.
        classes: how many classes its integers number, from 0; `None` where they number none.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    classes: int | None = None

    def zeros(self) -> Array:
        """An array that fits."""
        return np.zeros(self.shape, self.dtype)


def check_batch(specs: Sequence[TensorSpec], batch: Sequence[Array]) -> None:
    """Refuses a batch that a step cannot take.

    Raises:
        InputError: an array is missing or too many, has another shape or kind of numbers, or
            numbers a class that there is not.
    """
    if len(batch) != len(specs):
        names = ", ".join(spec.name for spec in specs)
        raise InputError(f"the data gives {len(batch)} arrays, but the step takes {names}")
    for spec, array in zip(specs, batch, strict=True):
        if array.shape != spec.shape:
            raise InputError(
                f"{spec.name}: the data gives {list(array.shape[1:])} a sample, "
                f"but the model takes {list(spec.shape[1:])}"
            )
        if array.dtype != spec.dtype and not np.can_cast(array.dtype, spec.dtype, "same_kind"):
            raise InputError(f"{spec.name}: the data is {array.dtype}, not {spec.dtype}")
        if (
            spec.classes is not None and array.astype(np.uint64).max() >= spec.classes
        ):  # -1 is large
            wrong = array[(array < 0) | (array >= spec.classes)].flat[0]
            raise InputError(f"{spec.name}: the class {wrong} is not in 0..{spec.classes - 1}")
