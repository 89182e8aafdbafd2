"""Operators that give the same numbers in another shape, order, dtype or number of copies."""

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import operand, shape_of
from edgekit.graph.match import ints_of


@vjp("Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze")
def reshape(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY in the input's shape."""
    return [build.reshape(dy, shape_of(operand(node, 0)))]


@vjp("Transpose")
def transpose(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY with its axes back in the old order."""
    rank = len(shape_of(dy))
    order = ints_of(node, "perm") or list(range(rank))[::-1]
    return [build.transpose(dy, [order.index(axis) for axis in range(rank)])]


@vjp("Expand")
def expand(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY summed over the copies."""
    return [build.sum_to_shape(dy, like=operand(node, 0))]


@vjp("Cast")
def cast(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY in the input's dtype; that of a quantised number stays a float."""
    before = operand(node, 0).dtype
    if before is None or not before.is_floating_point():
        return [dy]
    return [build.op("Cast", dy, to=before, dtype=before)]
