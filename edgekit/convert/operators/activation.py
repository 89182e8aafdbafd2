"""Activations that stand alone."""

from collections.abc import Callable

import numpy as np

from edgekit.convert import schema
from edgekit.convert.layout import expanded
from edgekit.convert.op import Op
from edgekit.convert.tails import clip_bounds
from edgekit.convert.writer import Tensor

_NAMED = {(0.0, np.inf): "RELU", (0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1"}


def unary(code: str) -> Callable[[Op], None]:
    """A writer of an operator of one input that changes no shape."""

    def write(op: Op) -> None:
        x = op.read(0)
        op.give(op.emit(code, [x], x.shape), op.order(0))

    return write


def keeps_grid(op: Op) -> bool:
    """Whether what is given is on the grid of what is read."""
    return op.lowering.placed(op.value(0)).tensor.grid == op.grid


def clip(op: Op) -> None:
    """Writes a Clip with constant bounds."""
    bounds = clip_bounds(op.node, op.lowering.constants)
    if bounds is None:
        raise op.unsupported("with bounds that are not constant")
    op.give(_clipped(op, op.read(0), *bounds), op.order(0))


def leaky_relu(op: Op) -> None:
    """Writes a LeakyRelu."""
    x = op.read(0)
    options = schema.options("LeakyRelu", alpha=op.real("alpha", 0.01))
    op.give(op.emit("LEAKY_RELU", [x], x.shape, options), op.order(0))


def prelu(op: Op) -> None:
    """Writes a PRelu: a slope a channel, or any that broadcasts."""
    x, order = op.read(0), op.order(0)
    missing = len(op.shape(0)) - len(op.shape(1))
    slope = op.read(1, expanded(order, missing))
    op.give(op.emit("PRELU", [x, slope], x.shape), order)


def elu(op: Op) -> None:
    """Writes an Elu."""
    x, alpha = op.read(0), op.real("alpha", 1.0)
    if alpha == 1:
        y = op.emit("ELU", [x], x.shape)
    else:
        negative = op.emit("MINIMUM", [x, op.number(0.0)], x.shape)
        negative = op.emit("ELU", [negative], x.shape)
        negative = op.emit("MUL", [negative, op.number(alpha)], x.shape, schema.unfused("Mul"))
        y = op.emit("RELU", [x], x.shape)
        y = op.emit("ADD", [y, negative], x.shape, schema.unfused("Add"))
    op.give(y, op.order(0))


def gelu(op: Op) -> None:
    """Writes a Gelu, exact or by tanh."""
    x = op.read(0)
    options = schema.options("Gelu", approximate=op.text("approximate", "none") == "tanh")
    op.give(op.emit("GELU", [x], x.shape, options), op.order(0))


def reciprocal(op: Op) -> None:
    """Writes a Reciprocal as a division."""
    x = op.read(0)
    op.give(op.emit("DIV", [op.number(1.0), x], x.shape, schema.unfused("Div")), op.order(0))


def hard_sigmoid(op: Op) -> None:
    """Writes a HardSigmoid: `clip(alpha x + beta, 0, 1)`."""
    x = op.read(0)
    alpha, beta = op.real("alpha", 0.2), op.real("beta", 0.5)
    y = op.emit("MUL", [x, op.number(alpha)], x.shape, schema.unfused("Mul"))
    y = op.emit("ADD", [y, op.number(beta)], x.shape, schema.unfused("Add"))
    op.give(_clipped(op, y, 0.0, 1.0), op.order(0))


def _clipped(op: Op, x: Tensor, low: float, high: float) -> Tensor:
    if (low, high) in _NAMED:
        return op.emit(_NAMED[low, high], [x], x.shape)
    for code, bound in (("MAXIMUM", low), ("MINIMUM", high)):
        if not np.isinf(bound):
            x = op.emit(code, [x, _bound(op, bound)], x.shape)
    return x


def _bound(op: Op, number: float) -> Tensor:
    if op.grid is None:
        return op.number(number)
    nearest = np.array(op.grid.nearest(number), np.int8)
    return op.lowering.writer.constant("bound", nearest, op.grid)
