"""The ways in which one layer is written as two."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgekit.array import Array
from edgekit.compress.factorize.low_rank import of_rank
from edgekit.compress.factorize.spatial import along_both_axes, unfolded
from edgekit.compress.layers import Layer
from edgekit.graph.match import ints_of

Way = Literal["channels", "axes"]
"""Fewer channels and then all of them, or one axis of the window and then the other."""


@dataclass(frozen=True)
class Rank:
    """How a layer is split in two, and how many channels are between them."""

    way: Way
    channels: int

    def macs(self, inputs: float, outputs: float, kernel: tuple[int, ...]) -> float:
        """Multiply-accumulates a position of a layer with so many channels."""
        if self.way == "axes":
            return self.channels * (inputs * kernel[0] + outputs * kernel[1])
        return self.channels * (inputs * float(np.prod(kernel)) + outputs)


@dataclass(frozen=True)
class Factors:
    """Two layers in place of one.

    Attributes:
        first: the weights of the first, `[channels, inputs, *kernel]`.
        second: of the second, `[outputs, channels, *kernel]`.
        matrix: what both compute together, `[outputs, inputs a patch]`.
    """

    first: Array
    second: Array
    matrix: Array


def ways(layer: Layer) -> list[Way]:
    """How a layer can be split."""
    if layer.groups > 1:
        return []
    kernel = layer.weights.shape[2:] if layer.is_conv else ()
    steps = ints_of(layer.node, "strides") or [1]
    square = len(kernel) == 2 and min(kernel) > 1 and set(steps) == {1}
    return ["channels", "axes"] if square else ["channels"]


def factored(
    layer: Layer, matrix: Array, covariance: Array, importance: Array, rank: Rank
) -> Factors:
    """The two layers that answer most like one.

    Args:
        layer: says how its matrix is laid out.
        matrix: float64 `[O, K]`, the layer's or another in its place.
        covariance: float64 `[K, K]` of its inputs.
        importance: float64 `[O]`, of a squared error of each output.
        rank: how.
    """
    kernel = layer.weights.shape[2:] if layer.is_conv else ()
    ones = (1,) * len(kernel)
    if rank.way == "channels":
        second, first = of_rank(matrix, covariance, importance, rank.channels)
        return Factors(
            first.reshape(len(first), -1, *kernel),
            second.reshape(*second.shape, *ones),
            second @ first,
        )
    weights = matrix.reshape(len(matrix), -1, *kernel)
    first, second = along_both_axes(weights, covariance, importance, rank.channels)
    together = second.reshape(len(second), -1) @ unfolded(first[..., 0], kernel[1])
    return Factors(first, second, together)
