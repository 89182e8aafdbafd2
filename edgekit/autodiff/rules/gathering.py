"""Taking numbers from places that an index says."""

import numpy as np
import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import operand, shape_of
from edgekit.graph.match import int_of


@vjp("Gather")
def gather(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY added to the places that it was taken from."""
    x, index = operand(node, 0), operand(node, 1)
    shape, places = shape_of(x), shape_of(index)
    axis = int_of(node, "axis", 0) % len(shape)
    rank = len(shape) - 1 + len(places)
    moved = list(range(axis, axis + len(places)))
    order = [*moved, *(number for number in range(rank) if number not in moved)]
    zeros = build.expand(
        build.constant(np.zeros(1), dtype=dy.dtype),
        [shape[axis], *shape[:axis], *shape[axis + 1 :]],
    )
    total = build.op(
        "ScatterND",
        zeros,
        build.op("Unsqueeze", index, np.array([-1]), dtype=index.dtype),
        build.transpose(dy, order),
        shape=shape_of(zeros),
        reduction="add",
    )
    return [build.transpose(total, [*range(1, axis + 1), 0, *range(axis + 1, len(shape))])]


@vjp("GatherElements")
def gather_elements(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY added to the places that it was taken from."""
    x, index = operand(node, 0), operand(node, 1)
    total = build.op(
        "ScatterElements",
        build.zeros_like(x),
        index,
        dy,
        shape=shape_of(x),
        axis=int_of(node, "axis", 0),
        reduction="add",
    )
    return [total]


@vjp("GatherND")
def gather_nd(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY added to the places that it was taken from; declines where there are batch axes."""
    x, index = operand(node, 0), operand(node, 1)
    if int_of(node, "batch_dims", 0):
        return [None]
    zeros = build.zeros_like(x)
    return [build.op("ScatterND", zeros, index, dy, shape=shape_of(x), reduction="add")]
