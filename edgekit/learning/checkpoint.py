"""Keeps a board's training on disk, so that it goes on as if it had never stopped."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.npz import read_arrays, write_arrays

_OF, _LOSSES, _CARRIED = "of", "losses", "carried:"


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands.

    Attributes:
        of: what is trained on what; a checkpoint of something else is refused.
        losses: float64, of each step so far.
        carried: parameters and state.
    """

    of: str
    losses: Array
    carried: Mapping[str, Array]

    def save(self, path: Path) -> None:
        """Writes it; whenever power fails, this one or the one before is there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        named = {_CARRIED + name: array for name, array in self.carried.items()}
        write_arrays(path, {_OF: np.array(self.of), _LOSSES: self.losses, **named})


def load_checkpoint(path: Path, of: str) -> Checkpoint | None:
    """The checkpoint in a file, or `None` where there is none.

    Raises:
        InputError: it is unreadable, or of another training.
    """
    if not path.exists():
        return None
    try:
        arrays = read_arrays(path)
        found = str(arrays.pop(_OF)), arrays.pop(_LOSSES)
    except (ValueError, KeyError) as error:
        raise InputError(f"{path}: not a readable checkpoint: {error}; remove it") from error
    if found[0] != of:
        raise InputError(
            f"{path}: belongs to another step, first parameters, seed or samples; remove it, or "
            "go on with the samples that it began with"
        )
    return Checkpoint(*found, {n.removeprefix(_CARRIED): a for n, a in arrays.items()})
