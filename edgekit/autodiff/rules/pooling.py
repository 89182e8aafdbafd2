"""Pools."""

import math

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.rules.window import Window
from edgekit.autodiff.shapes import int_of, operand, shape_of, string_of
from edgekit.graph.match import ints_of


@vjp("GlobalAveragePool")
def global_average_pool(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY / n everywhere."""
    shape = shape_of(operand(node, 0))
    return [build.expand(build.op("Mul", dy, 1 / math.prod(shape[2:])), shape)]


@vjp("GlobalMaxPool")
def global_max_pool(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY to where the maximum was, the first of several."""
    x = operand(node, 0)
    n, channels, *size = shape_of(x)
    flat = build.reshape(x, (n, channels, math.prod(size)))
    place = build.op("ArgMax", flat, axis=2, shape=(n, channels, 1), dtype=ir.DataType.INT64)
    spread = build.op(
        "ScatterElements",
        build.zeros_like(flat),
        place,
        build.reshape(dy, (n, channels, 1)),
        shape=shape_of(flat),
        axis=2,
    )
    return [build.reshape(spread, shape_of(x))]


@vjp("AveragePool")
def average_pool(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """Each number gets dY / n of the windows it is in, n being how many numbers each averages."""
    x = operand(node, 0)
    window = Window.of(node, tuple(ints_of(node, "kernel_shape") or ()))
    n, channels, *size = shape_of(x)
    share = build.op("Mul", dy, 1 / _how_many(node, window))
    share = build.reshape(share, (n * channels, 1, *window.count))
    ones = build.constant(np.ones((1, 1, *window.kernel)), dtype=dy.dtype)
    back = build.op(
        "ConvTranspose", share, ones, shape=(n * channels, 1, *size), **window.transposed()
    )
    return [build.reshape(back, (n, channels, *size))]


@vjp("MaxPool")
def max_pool(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY to where the maximum was, the first of several.

    The pool is done once more for its `Indices`: asking the forward's own node for them would
    move it, and what feeds it, to a slower kernel. To compare each number with the maximum instead
    is faster for one picture (SqueezeNet's whole backward by 3 %), slower for eight (by 6 %).
    """
    x = operand(node, 0)
    length = math.prod(shape_of(x))
    attributes = {
        name: attribute.value
        for name, attribute in node.attributes.items()
        if name != "storage_order"
    }
    _, places = build.op_many(
        "MaxPool", x, outputs=2, dtypes=[x.dtype, ir.DataType.INT64], **attributes
    )
    zeros = build.expand(build.constant(np.zeros(1), dtype=dy.dtype), [length])
    flat = build.op(
        "ScatterElements",
        zeros,
        build.op("Reshape", places, np.array([-1]), dtype=ir.DataType.INT64),
        build.reshape(dy, [math.prod(shape_of(dy))]),
        shape=[length],
        axis=0,
        reduction="add",
    )
    return [build.reshape(flat, shape_of(x))]


def _how_many(node: ir.Node, window: Window) -> Array:
    """How many numbers each window averages, `[*count]`: a rounded-up rim is never counted."""
    rank = len(window.size)
    after = window.after
    if string_of(node, "auto_pad", "NOTSET") == "NOTSET":
        after = tuple((ints_of(node, "pads") or [0] * 2 * rank)[rank:])
    total = np.ones((1,) * rank)
    for axis in range(rank):
        low, high = 0, window.size[axis]
        if int_of(node, "count_include_pad", 0):
            low, high = -window.before[axis], high + after[axis]
        starts = np.arange(window.count[axis]) * window.stride[axis] - window.before[axis]
        places = starts[:, np.newaxis] + np.arange(window.kernel[axis]) * window.dilation[axis]
        inside = ((low <= places) & (places < high)).sum(axis=1)
        total = total * inside.reshape([-1 if n == axis else 1 for n in range(rank)])
    return total
