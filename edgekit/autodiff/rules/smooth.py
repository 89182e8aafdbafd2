"""Smooth functions of one number."""

import math

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import operand
from edgekit.graph.match import float_of, string_of


@vjp("Neg")
def neg(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """-dY."""
    return [build.op("Neg", dy)]


@vjp("Exp")
def exp(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY * y."""
    return [build.op("Mul", dy, node.outputs[0])]


@vjp("Log")
def log(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY / x."""
    return [build.op("Div", dy, operand(node, 0))]


@vjp("Sqrt")
def sqrt(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY / (2 y)."""
    return [build.op("Div", build.op("Mul", dy, 0.5), node.outputs[0])]


@vjp("Reciprocal")
def reciprocal(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """-dY * y^2."""
    y = node.outputs[0]
    return [build.op("Neg", build.op("Mul", build.op("Mul", dy, y), y))]


@vjp("Sigmoid")
def sigmoid(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY * y (1 - y)."""
    y = node.outputs[0]
    return [build.op("Mul", build.op("Mul", dy, y), build.op("Sub", 1.0, y))]


@vjp("Softplus")
def softplus(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY * sigmoid(x)."""
    return [build.op("Mul", dy, build.op("Sigmoid", operand(node, 0)))]


@vjp("Elu")
def elu(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY above 0, dY * (y + alpha) below. Clevert et al., 2016, arXiv:1511.07289."""
    below = build.op("Add", node.outputs[0], float_of(node, "alpha", 1.0))
    slope = build.op("Where", build.op("Greater", operand(node, 0), 0.0), 1.0, below)
    return [build.op("Mul", dy, slope)]


@vjp("Sin")
def sin(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY * cos(x)."""
    return [build.op("Mul", dy, build.op("Cos", operand(node, 0)))]


@vjp("Cos")
def cos(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """-dY * sin(x)."""
    return [build.op("Neg", build.op("Mul", dy, build.op("Sin", operand(node, 0))))]


@vjp("Tanh")
def tanh(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY * (1 - y^2)."""
    y = node.outputs[0]
    return [build.op("Mul", dy, build.op("Sub", 1.0, build.op("Mul", y, y)))]


@vjp("Erf")
def erf(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY * 2 / sqrt(pi) * exp(-x^2)."""
    bell = _bell(operand(node, 0), build)
    return [build.op("Mul", dy, build.op("Mul", bell, 2 / math.sqrt(math.pi)))]


@vjp("Gelu")
def gelu(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """The derivative of x * Phi(x), exact or by the approximation with tanh.

    Hendrycks and Gimpel, 2016, arXiv:1606.08415.
    """
    x = operand(node, 0)
    if string_of(node, "approximate", "none") == "tanh":
        return [build.op("Mul", dy, _slope_of_tanh_gelu(x, build))]
    scaled = build.op("Mul", x, math.sqrt(0.5))
    share = build.op("Mul", build.op("Add", build.op("Erf", scaled), 1.0), 0.5)
    density = build.op("Mul", _bell(scaled, build), 1 / math.sqrt(2 * math.pi))
    return [build.op("Mul", dy, build.op("Add", share, build.op("Mul", x, density)))]


def _bell(x: ir.Value, build: Backward) -> ir.Value:
    """exp(-x^2)."""
    return build.op("Exp", build.op("Neg", build.op("Mul", x, x)))


def _slope_of_tanh_gelu(x: ir.Value, build: Backward) -> ir.Value:
    """The derivative of x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3)."""
    c = math.sqrt(2 / math.pi)
    square = build.op("Mul", x, x)
    u = build.op("Mul", x, build.op("Add", build.op("Mul", square, c * 0.044715), c))
    du = build.op("Add", build.op("Mul", square, 3 * c * 0.044715), c)
    t = build.op("Tanh", u)
    dt = build.op("Mul", build.op("Sub", 1.0, build.op("Mul", t, t)), du)
    total = build.op("Add", build.op("Add", t, 1.0), build.op("Mul", x, dt))
    return build.op("Mul", total, 0.5)
