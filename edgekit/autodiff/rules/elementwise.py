"""Sums, products and quotients with broadcasting."""

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import operand


@vjp("Add", "Sum")
def add(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """d(a + b): each gets dY."""
    return [build.sum_to_shape(dy, like=operand(node, index)) for index in range(len(node.inputs))]


@vjp("Sub")
def sub(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """d(a - b): dY and -dY."""
    db = build.sum_to_shape(dy, like=operand(node, 1))
    return build.sum_to_shape(dy, like=operand(node, 0)), build.op("Neg", db)


@vjp("Mul")
def mul(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """d(a * b): dY * b and dY * a."""
    a, b = operand(node, 0), operand(node, 1)
    da = build.sum_to_shape(build.op("Mul", dy, b), like=a)
    return da, build.sum_to_shape(build.op("Mul", dy, a), like=b)


@vjp("Div")
def div(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """d(a / b): dY / b and -dY * y / b."""
    a, b = operand(node, 0), operand(node, 1)
    share = build.op("Div", dy, b)
    db = build.sum_to_shape(build.op("Mul", share, node.outputs[0]), like=b)
    return build.sum_to_shape(share, like=a), build.op("Neg", db)


@vjp("Pow")
def power(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """d(a^b): dY * b * a^(b - 1), and dY * y * ln(a) where a is above 0."""
    a, b = operand(node, 0), operand(node, 1)
    exponent = b if b.dtype == a.dtype else build.op("Cast", b, to=a.dtype, dtype=a.dtype)
    slope = build.op("Mul", exponent, build.op("Pow", a, build.op("Sub", exponent, 1.0)))
    da = build.sum_to_shape(build.op("Mul", dy, slope), like=a)
    logarithm = build.op("Log", build.op("Where", build.op("Greater", a, 0.0), a, 1.0))
    db = build.op("Mul", build.op("Mul", dy, node.outputs[0]), logarithm)
    return da, build.sum_to_shape(db, like=b)
