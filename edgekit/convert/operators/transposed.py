"""ConvTranspose: TRANSPOSE_CONV, and a SLICE where TFLite's two paddings cannot say the cut."""

from dataclasses import dataclass, replace

import numpy as np

from edgekit.array import Array
from edgekit.convert import schema
from edgekit.convert.op import Op
from edgekit.convert.operators.parameters import bias_of, has_integer_weights, weights_of
from edgekit.convert.operators.windows import picture_order
from edgekit.convert.writer import Tensor

_OUTPUT_AXIS = 1


@dataclass(frozen=True)
class _Axis:
    """How one axis grows: `size` entries become `out`, the first `begin` of the whole cut off."""

    size: int
    out: int
    kernel: int
    stride: int = 1
    begin: int = 0

    @property
    def missing(self) -> int:
        """How many zeros must follow the input for the whole to be long enough."""
        short = self.begin + self.out - ((self.size - 1) * self.stride + self.kernel)
        return max(-(-short // self.stride), 0)

    @property
    def whole(self) -> int:
        """The length of the output with nothing cut off."""
        return (self.size + self.missing - 1) * self.stride + self.kernel

    @property
    def is_same(self) -> bool:
        """Whether TFLite's SAME cuts off the same entries."""
        cut = (self.size - 1) * self.stride + self.kernel - self.out
        fits = self.size == -(-self.out // self.stride)
        return fits and cut >= 0 and self.begin == cut // 2


def can_be_integer(op: Op) -> bool:
    """Whether the weights are int8 as TFLite wants them, and the bias is constant."""
    return has_integer_weights(op, _OUTPUT_AXIS) and (op.input(2) is None or op.is_constant(2))


def conv_transpose(op: Op) -> None:
    """Writes a ConvTranspose of a picture, or of a signal as a picture of height 1."""
    order = picture_order(op)
    weights, grid = weights_of(op, _OUTPUT_AXIS)
    grid = None if grid is None else replace(grid, axis=0)
    weights = _dilated(weights, op.ints("dilations", [1] * (weights.ndim - 2)))
    height, width = _axes(op, weights.shape[2:])
    if weights.ndim == 3:
        weights = weights[:, :, np.newaxis]
    group = op.integer("group", 1)
    depth, channels = weights.shape[0] // group, weights.shape[1]
    made = []
    parts = [op.read(0, order)]
    if group > 1:
        parts = op.cut(parts[0], 3, [depth] * group)
    for number, x in enumerate(parts):
        own = weights[number * depth : (number + 1) * depth].transpose(1, 2, 3, 0)
        kernel = op.weights(1, own, grid)
        part = slice(number * channels, (number + 1) * channels)
        bias = bias_of(op, op.input(2), x, grid, channels * group, part=part)
        made.append(_grown(op, x, kernel, bias, (height, width)))
    y = made[0]
    if group > 1:
        shape = (*y.shape[:3], channels * group)
        y = op.emit("CONCATENATION", made, shape, schema.options("Concatenation", axis=3))
    op.give(y, order)


def _dilated(weights: Array, dilations: tuple[int, ...]) -> Array:
    """Weights with zeros between their taps."""
    spatial = [(size - 1) * by + 1 for size, by in zip(weights.shape[2:], dilations, strict=True)]
    spread = np.zeros((*weights.shape[:2], *spatial), weights.dtype)
    taps = tuple(slice(None, None, by) for by in dilations)
    spread[:, :, *taps] = weights
    return spread


def _axes(op: Op, kernel: tuple[int, ...]) -> tuple[_Axis, _Axis]:
    if op.text("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or op.ints("output_shape", []):
        raise op.unsupported("with auto_pad or output_shape; give it pads")
    sizes, outs = op.shape(0)[2:], op.result_shape[2:]
    strides, pads = op.ints("strides", [1] * len(sizes)), op.ints("pads", [0] * 2 * len(sizes))
    found = [
        _Axis(sizes[axis], outs[axis], kernel[axis], strides[axis], pads[axis])
        for axis in range(len(sizes))
    ]
    return (found[0] if len(found) == 2 else _Axis(1, 1, 1)), found[-1]


def _grown(op: Op, x: Tensor, kernel: Tensor, bias: Tensor, axes: tuple[_Axis, _Axis]) -> Tensor:
    is_same = all(axis.is_same for axis in axes)
    zeros = [(0, 0), *((0, 0 if is_same else axis.missing) for axis in axes), (0, 0)]
    if np.any(zeros):
        shape = [size + after for size, (_, after) in zip(x.shape, zeros, strict=True)]
        x = op.emit("PAD", [x, op.fixed("pads", zeros)], shape, like=x)
    spatial = [axis.out if is_same else axis.whole for axis in axes]
    whole = (x.shape[0], *spatial, kernel.shape[0])
    options = schema.options(
        "TransposeConv",
        padding=schema.padding("SAME" if is_same else "VALID"),
        strideH=axes[0].stride,
        strideW=axes[1].stride,
    )
    y = op.emit("TRANSPOSE_CONV", [op.fixed("shape", whole), kernel, x, bias], whole, options)
    cut = (whole[0], axes[0].out, axes[1].out, whole[3])
    if cut == whole:
        return y
    begin = op.fixed("begin", (0, axes[0].begin, axes[1].begin, 0))
    return op.emit("SLICE", [y, begin, op.fixed("size", cut)], cut)
