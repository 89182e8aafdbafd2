"""Builds small graphs, float and quantised, and numbers to feed them."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder

seeds = st.integers(0, 2**32 - 1)


def normal(shape: Sequence[int], *, seed: int = 0) -> Array:
    """Standard normal numbers, float32."""
    return np.random.default_rng(seed).normal(0, 1, tuple(shape)).astype(np.float32)


def on_grid(shape: Sequence[int], scale: float, zero_point: int, *, seed: int = 0) -> Array:
    """Numbers that a uint8 grid has exactly, so that rounding them is no matter of taste."""
    integers = np.random.default_rng(seed).integers(0, 256, tuple(shape))
    return (np.float32(scale) * (integers - zero_point)).astype(np.float32)


def gives(build: GraphBuilder, rank: int, /, **values: ir.Value) -> ir.Model:
    """The model that gives these values, float32 of so many axes of any size."""
    return build.finish(
        **{name: (value, np.float32, [None] * rank) for name, value in values.items()}
    )


class QuantizedBuilder(GraphBuilder):
    """Adds the QuantizeLinear and DequantizeLinear nodes that edgekit's quantiser does."""

    def quantized(self, value: ir.Value, scale: float, zero_point: int) -> ir.Value:
        """A value rounded to a uint8 grid."""
        grid = np.float32(scale), np.uint8(zero_point)
        return self.op("DequantizeLinear", self.op("QuantizeLinear", value, *grid), *grid)

    def weights(self, array: Array, axis: int, *, per_channel: bool = True) -> ir.Value:
        """Weights as int8 around zero."""
        scale = weight_scale(array, axis, per_channel=per_channel)
        shape = [-1 if place == axis else 1 for place in range(array.ndim)]
        units = scale.reshape(shape) if per_channel else scale
        integers = np.clip(np.rint(array / units), -127, 127).astype(np.int8)
        zeros = np.zeros(scale.shape, np.int8)
        return self.op("DequantizeLinear", integers, scale, zeros, axis=axis)

    def bias(self, array: Array, scale: Array) -> ir.Value:
        """A bias as int32 in units of `scale`."""
        integers = np.rint(array / scale).astype(np.int32)
        return self.op("DequantizeLinear", integers, scale, np.zeros(scale.shape, np.int32), axis=0)


def weight_scale(array: Array, axis: int, *, per_channel: bool = True) -> Array:
    """The largest weight over 127, of each entry of an axis or of all."""
    others = tuple(place for place in range(array.ndim) if place != axis)
    largest = np.abs(array).max(axis=others if per_channel else None)
    return np.asarray(np.maximum(largest, 1e-6) / 127, np.float32)
