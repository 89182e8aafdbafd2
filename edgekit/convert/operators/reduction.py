"""Reductions over axes."""

from collections.abc import Callable

import numpy as np

from edgekit.convert import schema
from edgekit.convert.layout import NEW, squeezed
from edgekit.convert.op import Op, Placed


def reduction(code: str) -> Callable[[Op], None]:
    """A writer of a reduction; the axes that go keep a place of 1 in what is stored."""

    def write(op: Op) -> None:
        rank, order = len(op.shape(0)), op.order(0)
        axes = _axes(op, rank)
        x = op.read(0)
        if x.dtype == np.bool_:
            raise op.unsupported("of truth values")
        if not axes:
            op.lowering.place(op.node.outputs[0], Placed(x, order))
            return
        places = [place for place, axis in enumerate(order) if axis != NEW and axis in axes]
        shape = [1 if place in places else size for place, size in enumerate(x.shape)]
        options = schema.options("Reducer", keepDims=True)
        y = op.emit(code, [x, op.fixed("axes", places)], shape, options)
        op.give(y, order if op.integer("keepdims", 1) else squeezed(order, axes))

    return write


def arg_max(op: Op) -> None:
    """Writes an ArgMax; of equals, the first."""
    if op.integer("select_last_index", 0):
        raise op.unsupported("with select_last_index")
    rank, order = len(op.shape(0)), op.order(0)
    axis = op.integer("axis", 0) % rank
    x = op.read(0)
    place = order.index(axis)
    shape = (*x.shape[:place], *x.shape[place + 1 :])
    options = schema.options("ArgMax", outputType=schema.tensor_type(np.int64))
    y = op.emit("ARG_MAX", [x, op.fixed("axis", place)], shape, options, dtype=np.int64)
    kept = (*order[:place], *order[place + 1 :])
    if op.integer("keepdims", 1):
        op.give(op.reshaped(y, (*shape, 1)), (*kept, axis))
    else:
        op.give(y, tuple(NEW if a == NEW else a - (a > axis) for a in kept))


def _axes(op: Op, rank: int) -> set[int]:
    given = op.ints("axes", [])
    if op.input(1) is not None:
        given = tuple(int(axis) for axis in op.constant(1, "axes").ravel())
    if not given and not op.integer("noop_with_empty_axes", 0):
        given = tuple(range(rank))
    return {axis % rank for axis in given}
