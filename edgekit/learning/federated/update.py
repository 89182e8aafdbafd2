"""What a board sends at the end of a round."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edgekit.array import Array


@dataclass(frozen=True)
class Update:
    """How far a board's training moved the parameters that it began with.

    Attributes:
        client: who trained.
        version: of the global model that it began with.
        samples: how many it trained on.
        steps: how many steps it took.
        change: local minus global parameters by name, float32.
        control: how far the board's control variate moved (SCAFFOLD), as `change`; else empty.
    """

    client: str
    version: int
    samples: int
    steps: int
    change: Mapping[str, Array]
    control: Mapping[str, Array] = field(default_factory=dict)

    @property
    def norm(self) -> float:
        """The Euclidean length of the change."""
        return norm_of(self.change)


def norm_of(arrays: Mapping[str, Array]) -> float:
    """The Euclidean length of all arrays as one vector."""
    squares = sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays.values())
    return math.sqrt(squares)


def shapes_of(arrays: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    """The shape of each array by name."""
    return {name: tuple(array.shape) for name, array in arrays.items()}


def as_vector(arrays: Mapping[str, Array]) -> Array:
    """All arrays as one vector, in the order of their names."""
    return np.concatenate([arrays[name].reshape(-1) for name in sorted(arrays)])


def as_arrays(vector: Array, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """What `as_vector` was given: views of the vector."""
    found, start = {}, 0
    for name in sorted(shapes):
        end = start + math.prod(shapes[name])
        found[name] = vector[start:end].reshape(shapes[name])
        start = end
    return found
