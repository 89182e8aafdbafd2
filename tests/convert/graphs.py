"""Builds small graphs, float and quantised, and numbers to feed them."""

from collections.abc import Sequence
from pathlib import Path

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
    axes = [None] * rank
    return build.finish(**{name: (value, np.float32, axes) for name, value in values.items()})


class QuantizedBuilder(GraphBuilder):
    """Adds the QuantizeLinear and DequantizeLinear nodes that edgekit's quantiser does."""

    def quantized(self, value: ir.Value, scale: float, zero_point: int = 0) -> ir.Value:
        """A value rounded to a uint8 grid."""
        grid = np.float32(scale), np.uint8(zero_point)
        return self.op("DequantizeLinear", self.op("QuantizeLinear", value, *grid), *grid)

    def stored(self, array: Array, scale: float, zero_point: int = 0) -> ir.Value:
        """A constant on a uint8 grid."""
        return self.op("DequantizeLinear", array, np.float32(scale), np.uint8(zero_point))

    def linear(
        self,
        kind: str,
        x: ir.Value,
        weights: Array,
        *,
        x_scale: float,
        axis: int = 0,
        bias: Array | None = None,
        per_channel: bool = True,
        **how: object,
    ) -> ir.Value:
        """A Conv, Gemm or MatMul with int8 weights around zero, and an int32 bias."""
        scale = _weight_scale(weights, axis, per_channel=per_channel)
        shape = [-1 if place == axis else 1 for place in range(weights.ndim)]
        integers = np.rint(weights / (scale.reshape(shape) if per_channel else scale))
        zeros = np.zeros(scale.shape, np.int8)
        inputs = [self.op("DequantizeLinear", integers.astype(np.int8), scale, zeros, axis=axis)]
        if bias is not None:
            units = np.float32(x_scale) * scale
            whole = np.rint(bias / units).astype(np.int32)
            zeros = np.zeros(scale.shape, np.int32)
            inputs.append(self.op("DequantizeLinear", whole, units, zeros, axis=0))
        return self.op(kind, x, *inputs, **how)


def _weight_scale(array: Array, axis: int, *, per_channel: bool) -> Array:
    """The largest weight over the largest integer, of each entry of an axis or of all."""
    others = tuple(place for place in range(array.ndim) if place != axis)
    largest = np.abs(array).max(axis=others if per_channel else None)
    return np.asarray(np.maximum(largest, 1e-6) / _largest_integer(), np.float32)


def _largest_integer() -> int:
    """All 8 bits where onnxruntime does not saturate, else 7: see decision 2."""
    found = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return 127 if "vnni" in found or "aarch64" in found or "asimd" in found else 63
