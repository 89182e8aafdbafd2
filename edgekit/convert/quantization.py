"""Reads what QuantizeLinear and DequantizeLinear nodes say, in TFLite's terms.

TFLite keeps activations in int8 where edgekit's ONNX keeps them in uint8; the zero point moves by
128 with the integers, and no real number changes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import constant, input_of, int_of

_SHIFT = 128


@dataclass(frozen=True)
class Grid:
    """Which real number an int8 stands for: `scale * (integer - zero_point)`.

    A uint8 tensor on the same grid has every integer, and the zero point, 128 higher.

    Attributes:
        scales: one for the tensor, or one for each entry of `axis`; float32 numbers.
        zero_points: as many, or one.
        axis: the axis of `scales`, in the tensor as it is stored.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...] = (0,)
    axis: int = 0

    @property
    def scale(self) -> float:
        """The only scale."""
        (scale,) = self.scales
        return scale

    @property
    def zero_point(self) -> int:
        """The only zero point."""
        (zero_point,) = self.zero_points
        return zero_point

    def nearest(self, number: float) -> int:
        """The integer that stands for a real number best: half to even, saturated."""
        integer = np.rint(np.float32(number) / np.float32(self.scale)) + self.zero_point
        return int(np.clip(integer, -128, 127))

    @property
    def lowest(self) -> float:
        """The least real number there is on the grid."""
        return self.scale * (-128 - self.zero_point)

    @property
    def highest(self) -> float:
        """The greatest real number there is on the grid."""
        return self.scale * (127 - self.zero_point)


@dataclass(frozen=True)
class QuantizedConstant:
    """A constant that an ONNX graph stores as integers and reads through a DequantizeLinear.

    Attributes:
        integers: as stored.
        scale: a scalar; one for each entry of `axis`; or one for each block of it.
        zero_point: as many as there are scales, in the integers' dtype.
        axis: of a scale that is no scalar.
        block: how many entries of `axis` share a scale; 0 where each has its own.
    """

    integers: Array
    scale: Array
    zero_point: Array
    axis: int
    block: int = 0

    def floats(self) -> Array:
        """What the DequantizeLinear gives: float32, the shape of `integers`."""
        scale, zero_point = self._spread(self.scale), self._spread(self.zero_point)
        difference = self.integers.astype(np.int32) - zero_point.astype(np.int32)
        return difference.astype(np.float32) * scale.astype(np.float32)

    def transposed(self, permutation: tuple[int, ...]) -> "QuantizedConstant":
        """The same constant with its axes in another order."""
        scale, zero_point = self.scale, self.zero_point
        if self.block:
            scale = scale.transpose(permutation)
            zero_point = zero_point.transpose(permutation) if zero_point.ndim else zero_point
        return QuantizedConstant(
            self.integers.transpose(permutation),
            scale,
            zero_point,
            permutation.index(self.axis) if self.integers.ndim else 0,
            self.block,
        )

    def symmetric(self, axis: int) -> tuple[Array, Grid] | None:
        """Int8 and its grid if zero stands for zero and each scale is for one entry of `axis`."""
        shift = _SHIFT if self.integers.dtype == np.uint8 else 0
        if self.block or self.integers.dtype.itemsize > 1:
            return None
        if np.any(self.zero_point.astype(np.int32) != shift):
            return None
        if self.scale.size > 1 and self.axis != axis:
            return None
        integers = (self.integers.astype(np.int16) - shift).astype(np.int8)
        return integers, Grid(tuple(self.scale.astype(np.float32).ravel().tolist()), axis=axis)

    def per_tensor(self) -> tuple[Array, Grid] | None:
        """Int8 and its grid if there is one scale for all."""
        if self.scale.size != 1 or self.integers.dtype.itemsize > 1:
            return None
        shift = _SHIFT if self.integers.dtype == np.uint8 else 0
        integers = (self.integers.astype(np.int16) - shift).astype(np.int8)
        grid = Grid((float(np.float32(self.scale.item())),), (int(self.zero_point.item()) - shift,))
        return integers, grid

    def _spread(self, numbers: Array) -> Array:
        if numbers.size == 1:
            return numbers.reshape(())
        if self.block:
            spread = np.repeat(numbers, self.block, axis=self.axis)
            return spread.take(range(self.integers.shape[self.axis]), axis=self.axis)
        shape = [1] * self.integers.ndim
        shape[self.axis] = -1
        return numbers.reshape(shape)


def quantized_constant(
    node: ir.Node, integers: Array, scale: Array, zero_point: Array | None
) -> QuantizedConstant:
    """What a DequantizeLinear of these constants gives."""
    block = int_of(node, "block_size", 0)
    axis = int_of(node, "axis", 1)
    return QuantizedConstant(
        integers,
        scale,
        np.zeros((), integers.dtype) if zero_point is None else zero_point,
        axis % integers.ndim if integers.ndim and scale.size > 1 else 0,
        block,
    )


def stored_dtype(node: ir.Node) -> np.dtype[Any]:
    """The dtype of the integers that a QuantizeLinear gives or a DequantizeLinear takes."""
    zero_point = input_of(node, 2)
    value = node.inputs[0] if node.op_type == "DequantizeLinear" else node.outputs[0]
    for known in (value, zero_point):
        if known is not None and known.dtype is not None:
            return known.dtype.numpy()
    declared = int_of(node, "output_dtype", ir.DataType.UINT8)
    return ir.DataType(declared).numpy()


def scalars(node: ir.Node) -> tuple[float, int]:
    """The one scale and zero point of a Q or DQ node of an activation.

    Raises:
        UnsupportedModel: they are not constant, or one a channel.
    """
    scale = constant(node.inputs[1])
    stored = input_of(node, 2)
    zero_point = np.zeros((), np.uint8) if stored is None else constant(stored)
    if scale is None or zero_point is None or scale.size != 1:
        raise UnsupportedModel(
            f"node {node.name!r} ({node.op_type}): TFLite quantises an activation by one constant "
            "scale and zero point a tensor; quantise it per tensor"
        )
    return float(np.float32(scale.item())), int(zero_point.item())


def grid_of(node: ir.Node) -> Grid | None:
    """The grid of a Q or DQ node of an 8-bit activation; `None` where it has other widths.

    Raises:
        UnsupportedModel: see `scalars`.
    """
    dtype = stored_dtype(node)
    if dtype not in (np.uint8, np.int8):
        return None
    scale, zero_point = scalars(node)
    return Grid((scale,), (zero_point - (_SHIFT if dtype == np.uint8 else 0),))
