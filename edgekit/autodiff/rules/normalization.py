"""Normalisation of each sample by a mean and a variance of its own."""

import math

import numpy as np
import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import operand, optional, shape_of
from edgekit.graph.match import float_of, int_of


@vjp("LayerNormalization")
def layer_normalization(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """Over the last axes. Ba et al., 2016, arXiv:1607.06450."""
    x, scale, bias = operand(node, 0), operand(node, 1), optional(node, 2)
    rank = len(shape_of(x))
    axes = list(range(int_of(node, "axis", -1) % rank, rank))
    unit, inverse = _normalised(x, axes, node, build)
    dx = _through(build.op("Mul", dy, scale), unit, inverse, axes, build)
    dscale = build.sum_to_shape(build.op("Mul", dy, unit), like=scale)
    return dx, dscale, None if bias is None else build.sum_to_shape(dy, like=bias)


@vjp("InstanceNormalization")
def instance_normalization(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """Over each picture's channels. Ulyanov et al., 2016, arXiv:1607.08022."""
    x, scale = operand(node, 0), operand(node, 1)
    rank = len(shape_of(x))
    axes, rest = list(range(2, rank)), [0, *range(2, rank)]
    columns = build.reshape(scale, (*shape_of(scale), *[1] * (rank - 2)))
    unit, inverse = _normalised(x, axes, node, build)
    dx = _through(build.op("Mul", dy, columns), unit, inverse, axes, build)
    dscale = build.sum(build.op("Mul", dy, unit), rest, keepdims=False)
    return dx, dscale, build.sum(dy, rest, keepdims=False)


def _normalised(
    x: ir.Value, axes: list[int], node: ir.Node, build: Backward
) -> tuple[ir.Value, ir.Value]:
    """`(x - mean) / deviation` over axes, and `1 / deviation`."""
    centred = build.op("Sub", x, mean_over(x, axes, build))
    variance = mean_over(build.op("Mul", centred, centred), axes, build)
    inverse = inverse_deviation(variance, node, build)
    return build.op("Mul", centred, inverse), inverse


def _through(
    d: ir.Value, unit: ir.Value, inverse: ir.Value, axes: list[int], build: Backward
) -> ir.Value:
    """From the gradient `d` of the normalised numbers to that of the numbers."""
    along = build.op("Mul", unit, mean_over(build.op("Mul", d, unit), axes, build))
    rest = build.op("Sub", build.op("Sub", d, mean_over(d, axes, build)), along)
    return build.op("Mul", rest, inverse)


def mean_over(x: ir.Value, axes: list[int], build: Backward) -> ir.Value:
    """The mean over axes, which stay as axes of 1."""
    n = math.prod(shape_of(x)[axis] for axis in axes)
    return build.op("Mul", build.sum(x, axes), 1 / n)


def inverse_deviation(variance: ir.Value, node: ir.Node, build: Backward) -> ir.Value:
    """1 / sqrt(variance + epsilon), with the epsilon of a normalising node."""
    epsilon = float(np.float32(float_of(node, "epsilon", 1e-5)))
    return build.op("Reciprocal", build.op("Sqrt", build.op("Add", variance, epsilon)))
