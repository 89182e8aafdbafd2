"""Batch normalisation, in inference and in training: Ioffe and Szegedy, 2015, arXiv:1502.03167."""

import math

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.rules.normalization import inverse_deviation, mean_over
from edgekit.autodiff.shapes import operand, shape_of
from edgekit.graph.match import int_of


@vjp("BatchNormalization")
def batch_normalization(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """Through the statistics that are given, or in training mode through those of the batch.

    The running statistics that come out in training mode have no gradient.
    """
    if int_of(node, "training_mode", 0):
        return _in_training(node, dy, build)
    return _in_inference(node, dy, build)


def _in_inference(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """A product and a sum for each channel."""
    x = operand(node, 0)
    axes, channels = _axes(x), shape_of(operand(node, 1))
    scale, mean, variance = (_column(node, index, build) for index in (1, 3, 4))
    inverse = inverse_deviation(variance, node, build)
    dx = build.op("Mul", dy, build.op("Mul", scale, inverse))
    product = build.op("Mul", dy, build.op("Mul", build.op("Sub", x, mean), inverse))
    dscale, dbias = (build.sum(value, axes, keepdims=False) for value in (product, dy))
    dmean = build.op("Neg", build.sum(dx, axes, keepdims=False))
    share = build.op("Mul", build.op("Mul", scale, build.op("Mul", inverse, inverse)), -0.5)
    dvariance = build.op("Mul", dscale, build.reshape(share, channels))
    return dx, dscale, dbias, dmean, dvariance


def _in_training(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """With u = (x - mean) / deviation: scale / deviation * (dY - mean(dY) - u * mean(dY * u))."""
    x = operand(node, 0)
    axes, channels = _axes(x), shape_of(operand(node, 1))
    n = math.prod(shape_of(x)[axis] for axis in axes)
    centred = build.op("Sub", x, mean_over(x, axes, build))
    variance = mean_over(build.op("Mul", centred, centred), axes, build)
    inverse = inverse_deviation(variance, node, build)
    dbias = build.sum(dy, axes)
    dscale = build.op("Mul", build.sum(build.op("Mul", dy, centred), axes), inverse)
    slope = build.op("Mul", _column(node, 1, build), inverse)
    along = build.op("Mul", build.op("Mul", dscale, inverse), 1 / n)
    rest = build.op(
        "Sub", build.op("Sub", dy, build.op("Mul", dbias, 1 / n)), build.op("Mul", centred, along)
    )
    return (
        build.op("Mul", rest, slope),
        build.reshape(dscale, channels),
        build.reshape(dbias, channels),
        *(build.zeros_like(operand(node, index)) for index in (3, 4)),
    )


def _axes(x: ir.Value) -> list[int]:
    return [axis for axis in range(len(shape_of(x))) if axis != 1]


def _column(node: ir.Node, index: int, build: Backward) -> ir.Value:
    """An input of one number a channel, in a shape that lines up with the channels."""
    value = operand(node, index)
    return build.reshape(value, (*shape_of(value), *[1] * (len(shape_of(operand(node, 0))) - 2)))
