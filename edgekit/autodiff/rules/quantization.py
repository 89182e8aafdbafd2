"""Quantisation, with rounding taken to be the identity.

The straight-through estimator: Bengio et al., 2013, arXiv:1308.3432. The gradient of an integer is
the float that it would have as a real number, so a QuantizeLinear and its DequantizeLinear together
give a scale the gradient of learned step size quantisation: Esser et al., 2020, arXiv:1902.08153.
"""

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import operand, optional, shape_of, where
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import int_of


@vjp("QuantizeLinear")
def quantize(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY / scale where the number fits the integers, 0 where it is clipped."""
    x, scale = operand(node, 0), operand(node, 1)
    column = _column(scale, node, build)
    ticks = build.op("Div", x, column)
    fits = _fits(ticks, node, build)
    dx = build.op("Div", build.op("Mul", dy, fits), column)
    dscale = build.op("Neg", build.op("Mul", dx, ticks))
    return dx, _summed(dscale, scale, column, build)


@vjp("DequantizeLinear")
def dequantize(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY * scale; the scale gets dY * (q - zero point)."""
    q, scale, zero = operand(node, 0), operand(node, 1), optional(node, 2)
    column = _column(scale, node, build)
    steps = build.op("Cast", q, to=dy.dtype, dtype=dy.dtype, shape=shape_of(q))
    if zero is not None:
        steps = build.op("Sub", steps, _float_column(zero, node, dy, build))
    dscale = build.op("Mul", dy, steps)
    return build.op("Mul", dy, column), _summed(dscale, scale, column, build)


def _fits(ticks: ir.Value, node: ir.Node, build: Backward) -> ir.Value:
    """1 where x / scale + zero point rounds to an integer of the output's type, else 0."""
    zero = optional(node, 2)
    dtype = node.outputs[0].dtype if zero is None else zero.dtype
    if dtype is None or not dtype.is_integer():
        raise UnsupportedModel(f"{where(node)}: only quantisation to integers has a gradient")
    low, high = float(dtype.min), float(dtype.max)
    place = ticks
    if zero is not None:
        place = build.op("Add", ticks, _float_column(zero, node, ticks, build))
    inside = build.op("Max", build.op("Min", place, high + 0.5), low - 0.5)
    return build.mask(build.op("Equal", inside, place), like=ticks)


def _column(value: ir.Value, node: ir.Node, build: Backward) -> ir.Value:
    """A scale or zero point in a shape that lines up with the quantised axis."""
    if int_of(node, "block_size", 0):
        raise UnsupportedModel(f"{where(node)}: quantisation by blocks has no gradient yet")
    shape, rank = shape_of(value), len(shape_of(operand(node, 0)))
    if shape in ((), (1,)):
        return value
    axis = int_of(node, "axis", 1) % rank
    return build.reshape(value, (*shape, *[1] * (rank - 1 - axis)))


def _float_column(zero: ir.Value, node: ir.Node, like: ir.Value, build: Backward) -> ir.Value:
    number = build.op("Cast", zero, to=like.dtype, dtype=like.dtype, shape=shape_of(zero))
    return _column(number, node, build)


def _summed(value: ir.Value, scale: ir.Value, column: ir.Value, build: Backward) -> ir.Value:
    return build.reshape(build.sum_to_shape(value, like=column), shape_of(scale))
