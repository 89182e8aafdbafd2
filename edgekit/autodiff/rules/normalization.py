"""Normalisation by a mean and a variance."""

import math

import numpy as np
import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import float_of, int_of, operand, optional, shape_of, where
from edgekit.errors import UnsupportedModel


@vjp("BatchNormalization")
def batch_normalization(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """In inference: a product and a sum for each channel.

    Declines where `training_mode` is on. Ioffe and Szegedy, 2015, arXiv:1502.03167.
    """
    if int_of(node, "training_mode", 0):
        raise UnsupportedModel(f"{where(node)} is in training mode; export the model in evaluation")
    x = operand(node, 0)
    rank = len(shape_of(x))
    channels = shape_of(operand(node, 1))
    columns = (*channels, *[1] * (rank - 2))
    scale, mean, variance = (build.reshape(operand(node, index), columns) for index in (1, 3, 4))
    inverse = _inverse_deviation(variance, node, build)
    axes = [0, *range(2, rank)]
    dx = build.op("Mul", dy, build.op("Mul", scale, inverse))
    product = build.op("Mul", dy, build.op("Mul", build.op("Sub", x, mean), inverse))
    dscale, dbias = (build.sum(value, axes, keepdims=False) for value in (product, dy))
    dmean = build.op("Neg", build.sum(dx, axes, keepdims=False))
    share = build.op("Mul", build.op("Mul", scale, build.op("Mul", inverse, inverse)), -0.5)
    dvariance = build.op("Mul", dscale, build.reshape(share, channels))
    return dx, dscale, dbias, dmean, dvariance


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
    centred = build.op("Sub", x, _mean(x, axes, build))
    variance = _mean(build.op("Mul", centred, centred), axes, build)
    inverse = _inverse_deviation(variance, node, build)
    return build.op("Mul", centred, inverse), inverse


def _through(
    d: ir.Value, unit: ir.Value, inverse: ir.Value, axes: list[int], build: Backward
) -> ir.Value:
    """From the gradient `d` of the normalised numbers to that of the numbers."""
    along = build.op("Mul", unit, _mean(build.op("Mul", d, unit), axes, build))
    rest = build.op("Sub", build.op("Sub", d, _mean(d, axes, build)), along)
    return build.op("Mul", rest, inverse)


def _mean(x: ir.Value, axes: list[int], build: Backward) -> ir.Value:
    n = math.prod(shape_of(x)[axis] for axis in axes)
    return build.op("Mul", build.sum(x, axes), 1 / n)


def _inverse_deviation(variance: ir.Value, node: ir.Node, build: Backward) -> ir.Value:
    epsilon = float(np.float32(float_of(node, "epsilon", 1e-5)))
    return build.op("Reciprocal", build.op("Sqrt", build.op("Add", variance, epsilon)))
