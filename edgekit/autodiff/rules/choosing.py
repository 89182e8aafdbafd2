"""Operators that take each number from one of several values."""

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import operand


@vjp("Where")
def where(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """Each value gets dY where it was chosen."""
    condition, a, b = (operand(node, index) for index in range(3))
    da = build.op("Where", condition, dy, 0.0)
    db = build.op("Where", condition, 0.0, dy)
    return None, build.sum_to_shape(da, like=a), build.sum_to_shape(db, like=b)


@vjp("Max", "Min")
def extremum(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """Each value gets dY where it was chosen; of equal ones the first."""
    left = dy
    shares = []
    for index in range(len(node.inputs)):
        value = operand(node, index)
        chosen = build.mask(build.op("Equal", value, node.outputs[0]), like=dy)
        share = build.op("Mul", left, chosen)
        left = build.op("Sub", left, share)
        shares.append(build.sum_to_shape(share, like=value))
    return shares
