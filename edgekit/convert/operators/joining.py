"""Concat and Split."""

from edgekit.convert import schema
from edgekit.convert.op import Op
from edgekit.convert.operators.arithmetic import common_order, inputs_of


def concat(op: Op) -> None:
    """Writes a Concat."""
    order = common_order(op)
    axis = order.index(op.integer("axis", 0) % len(op.result_shape))
    parts = [op.read_value(value, order) for value in inputs_of(op)]
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    y = op.emit("CONCATENATION", parts, shape, schema.options("Concatenation", axis=axis))
    op.give(y, order)


def split(op: Op) -> None:
    """Writes a Split."""
    x, order = op.read(0), op.order(0)
    axis = op.integer("axis", 0) % len(op.shape(0))
    sizes = [op.lowering.shape(value)[axis] for value in op.node.outputs]
    for output, part in enumerate(op.cut(x, order.index(axis), sizes)):
        op.give(part, order, output)
