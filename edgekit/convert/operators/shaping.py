"""Operators that change a shape or an order of axes, and compute nothing."""

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgekit.convert.layout import (
    NEW,
    moving,
    regrouped,
    squeezed,
    stored_shape,
    transposed,
    unsqueezed,
)
from edgekit.convert.op import Op, Placed
from edgekit.graph.match import input_of, int_of, is_op


def identity(op: Op) -> None:
    """Writes nothing: what is given is where what is read is."""
    training = op.array(2)
    if op.input(2) is not None and (training is None or training.any()):
        raise op.unsupported("in training mode")
    op.lowering.place(op.node.outputs[0], op.lowering.placed(op.value(0)))


def transpose(op: Op) -> None:
    """Writes nothing: the same tensor, seen in another order."""
    placed = op.lowering.placed(op.value(0))
    reverse = tuple(reversed(range(len(op.shape(0)))))
    order = transposed(placed.order, op.ints("perm", reverse))
    op.lowering.place(op.node.outputs[0], replace(placed, order=order))


def squeeze(op: Op) -> None:
    """Writes nothing: the same tensor, of which fewer axes are the value's."""
    placed = op.lowering.placed(op.value(0))
    order = squeezed(placed.order, _gone(op))
    op.lowering.place(op.node.outputs[0], replace(placed, order=order))


def unsqueeze(op: Op) -> None:
    """Writes a RESHAPE that moves nothing."""
    rank = len(op.result_shape)
    axes = {int(axis) % rank for axis in op.constant(1, "axes").ravel()}
    x = op.read(0)
    order = unsqueezed(op.order(0), axes)
    op.give(op.reshaped(x, stored_shape(op.result_shape, order)), order)


def reshape(op: Op) -> None:
    """Writes a Reshape or Flatten.

    What goes to matrix products alone is flattened as it is stored, and they reorder their
    weights; else a TRANSPOSE comes first if the axes that merge do not lie together.
    """
    shape, new_shape = op.shape(0), op.result_shape
    placed = op.lowering.placed(op.value(0))
    if 0 in shape:
        raise op.unsupported("of an empty tensor")
    rows = moving(placed.order, shape)
    is_flat = len(new_shape) == 2 and new_shape[0] == shape[0]
    if is_flat and (shape[0] == 1 or rows[:1] == (0,)) and _goes_to_products(op):
        rest = [axis for axis in rows if axis != 0]
        if rest != sorted(rest):
            numbers = np.arange(int(np.prod(shape[1:]))).reshape((1, *shape[1:]))
            kept = [axis for axis in placed.order if axis not in (0, NEW)]
            columns = numbers.transpose([0, *kept]).ravel()
            y = op.reshaped(op.read(0), new_shape)
            op.lowering.place(op.node.outputs[0], Placed(y, (0, 1), columns))
            return
    before, after = regrouped(shape, new_shape, placed.order)
    op.give(op.reshaped(op.read_run(0, before), stored_shape(new_shape, after)), after)


def _gone(op: Op) -> set[int]:
    shape = op.shape(0)
    if op.input(1) is None:
        return {axis for axis, size in enumerate(shape) if size == 1}
    return {int(axis) % len(shape) for axis in op.constant(1, "axes").ravel()}


def _goes_to_products(op: Op) -> bool:
    """Whether nothing but matrix products with constant weights reads the rows that are given."""

    def ends_in_products(value: ir.Value) -> bool:
        if value.is_graph_output():
            return False
        return all(
            index == 0 and (reads_rows(node) or passes_on(node)) for node, index in value.uses()
        )

    def passes_on(node: ir.Node) -> bool:
        is_pair = is_op(node, "QuantizeLinear", "DequantizeLinear")
        return is_pair and ends_in_products(node.outputs[0])

    def reads_rows(node: ir.Node) -> bool:
        weights, constants = input_of(node, 1), op.lowering.constants
        return (
            is_op(node, "Gemm", "MatMul")
            and weights is not None
            and weights in constants
            and len(constants.shape(weights)) == 2
            and not int_of(node, "transA", 0)
        )

    return ends_in_products(op.node.outputs[0])
