"""Elementwise operators of two and more inputs, with NumPy's broadcasting."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from edgekit.convert import schema
from edgekit.convert.layout import NEW, Order, as_in_onnx, expanded
from edgekit.convert.op import Op
from edgekit.convert.writer import Tensor

_HALF, _TWO = 0.5, 2.0


def constants_are_on_grids(op: Op) -> bool:
    """Whether each constant that is read is 8-bit integers with one scale."""
    constants = op.lowering.constants
    return all(
        (found := constants.quantized(value)) is not None and found.per_tensor() is not None
        for value in op.node.inputs
        if value is not None and value in constants
    )


def arithmetic(code: str, kind: str) -> Callable[[Op], None]:
    """A writer of an operator of two inputs that can fuse an activation."""

    def write(op: Op) -> None:
        order = common_order(op)
        left, right = (read_broadcast(op, value, order) for value in inputs_of(op))
        y = op.emit(code, [left, right], _shape(left, right), schema.options(kind, **op.fused))
        op.give(y, order)

    return write


def chain(code: str) -> Callable[[Op], None]:
    """A writer of an operator of any number of inputs, by an operator of two."""

    def write(op: Op) -> None:
        order = common_order(op)
        op.give(_folded(op, code, order), order)

    return write


def mean(op: Op) -> None:
    """Writes a Mean of several tensors."""
    order = common_order(op)
    total = _folded(op, "ADD", order)
    share = op.number(1 / len(op.node.inputs))
    op.give(op.emit("MUL", [total, share], total.shape, schema.unfused("Mul")), order)


def power(op: Op) -> None:
    """Writes a Pow; squares and square roots by what is faster and exact."""
    order = common_order(op)
    base, exponent = inputs_of(op)
    x = read_broadcast(op, base, order)
    known = op.lowering.constants.array(exponent)
    if known is not None and known.size == 1 and known.item() in (_HALF, _TWO):
        if known.item() == _TWO:
            y = op.emit("MUL", [x, x], x.shape, schema.unfused("Mul"))
        else:
            y = op.emit("SQRT", [x], x.shape)
    else:
        right = read_broadcast(op, exponent, order)
        y = op.emit("POW", [x, right], _shape(x, right))
    op.give(y, order)


def inputs_of(op: Op) -> list[ir.Value]:
    """The inputs, all of which must be there."""
    return [op.value(index) for index in range(len(op.node.inputs))]


def common_order(op: Op) -> Order:
    """The order that most inputs of the result's rank are stored in; the first of equals."""
    rank = len(op.result_shape)
    lowering = op.lowering
    orders = [
        lowering.placed(value).order
        for value in op.activations
        if len(lowering.shape(value)) == rank
    ]
    return Counter(orders).most_common(1)[0][0] if orders else as_in_onnx(rank)


def read_broadcast(op: Op, value: ir.Value, order: Order) -> Tensor:
    """An input in the order of the result, with axes of 1 where it lacks one, but not in front."""
    missing = len(op.result_shape) - len(op.lowering.shape(value))
    axes = list(expanded(order, missing)) if missing else list(order)
    while missing and axes and axes[0] == NEW:
        axes.pop(0)
    return op.read_value(value, tuple(axes))


def _folded(op: Op, code: str, order: Order) -> Tensor:
    first, *others = (read_broadcast(op, value, order) for value in inputs_of(op))
    for other in others:
        options = schema.unfused("Add") if code == "ADD" else schema.NO_OPTIONS
        first = op.emit(code, [first, other], _shape(first, other), options)
    return first


def _shape(left: Tensor, right: Tensor) -> tuple[int, ...]:
    return np.broadcast_shapes(left.shape, right.shape)
