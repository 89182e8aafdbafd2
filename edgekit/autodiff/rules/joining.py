"""Joining values."""

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import int_of, operand, shape_of


@vjp("Concat")
def concat(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """Each input gets its part of dY."""
    shapes = [shape_of(operand(node, index)) for index in range(len(node.inputs))]
    axis = int_of(node, "axis", 0) % len(shapes[0])
    parts, start = [], 0
    for shape in shapes:
        end = start + shape[axis]
        parts.append(build.cut(dy, starts=[start], ends=[end], axes=[axis]))
        start = end
    return parts
