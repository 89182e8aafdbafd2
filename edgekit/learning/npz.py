"""Reads and writes arrays by name."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgekit.array import Array
from edgekit.learning.durable import write_durably


def read_arrays(path: Path) -> dict[str, Array]:
    """All arrays of a `.npz` file.

    Raises:
        ValueError: it cannot be read, or is none.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # numpy and zipfile raise half a dozen kinds for bad bytes
        raise ValueError(str(error) or type(error).__name__) from error


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Writes a `.npz` file, as `write_durably` does."""
    write_durably(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
