"""Operators that give the same numbers in another shape."""

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import operand, shape_of


@vjp("Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze")
def reshape(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY in the input's shape."""
    return [build.reshape(dy, shape_of(operand(node, 0)))]
