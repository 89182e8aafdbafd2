"""Activations that are linear in pieces. At a kink the gradient is that of the flat side."""

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import operand, optional
from edgekit.graph.match import float_of


@vjp("Relu")
def relu(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY where the output is above 0.

    The output is asked, not the input, so that an engine may still fuse the Relu into a Conv.
    """
    return [build.op("Mul", dy, build.mask(build.op("Greater", node.outputs[0], 0.0), like=dy))]


@vjp("LeakyRelu")
def leaky_relu(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY above 0, alpha * dY below."""
    alpha = float_of(node, "alpha", 0.01)
    above = build.mask(build.op("Greater", operand(node, 0), 0.0), like=dy)
    slope = build.op("Add", build.op("Mul", above, 1 - alpha), alpha)
    return [build.op("Mul", dy, slope)]


@vjp("PRelu")
def p_relu(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY above 0, slope * dY below; the slope gets x * dY below.

    He et al., 2015, arXiv:1502.01852.
    """
    x, slope = operand(node, 0), operand(node, 1)
    dx = build.op("Where", build.op("Greater", x, 0.0), dy, build.op("Mul", dy, slope))
    below = build.op("Mul", dy, build.op("Min", x, 0.0))
    return dx, build.sum_to_shape(below, like=slope)


@vjp("Clip")
def clip(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY where the number is left as it is; a limit gets dY where it took the number's place."""
    x, low, high = operand(node, 0), optional(node, 1), optional(node, 2)
    stays = build.mask(build.op("Equal", node.outputs[0], x), like=dy)
    shares: list[ir.Value | None] = [build.op("Mul", dy, stays)]
    for limit, beyond in ((low, "Less"), (high, "Greater")):
        if limit is None:
            shares.append(None)
            continue
        taken = build.mask(build.op(beyond, x, limit), like=dy)
        shares.append(build.sum_to_shape(build.op("Mul", dy, taken), like=limit))
    return shares


@vjp("Abs")
def absolute(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY * sign(x)."""
    return [build.op("Mul", dy, build.op("Sign", operand(node, 0)))]


@vjp("HardSigmoid")
def hard_sigmoid(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """Alpha * dY between the limits 0 and 1."""
    slope = build.op("Mul", _between(node.outputs[0], 0, 1, build), float_of(node, "alpha", 0.2))
    return [build.op("Mul", dy, slope)]


@vjp("HardSwish")
def hard_swish(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """The derivative of x * h(x), where the HardSigmoid h rises from -3 to 3.

    Howard et al., 2019, arXiv:1905.02244.
    """
    x = operand(node, 0)
    h = build.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    slope = build.op("Mul", build.op("Mul", x, 1 / 6), _between(x, -3, 3, build))
    return [build.op("Mul", dy, build.op("Add", h, slope))]


def _between(x: ir.Value, low: float, high: float, build: Backward) -> ir.Value:
    """1 where `low` < x < `high`, else 0."""
    above, below = build.op("Greater", x, float(low)), build.op("Less", x, float(high))
    return build.mask(build.op("And", above, below), like=x)
