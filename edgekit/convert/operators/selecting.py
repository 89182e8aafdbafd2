"""Slice and Gather."""

import numpy as np

from edgekit.convert import schema
from edgekit.convert.layout import NEW, as_in_onnx
from edgekit.convert.op import Op


def slice_(op: Op) -> None:
    """Writes a Slice with constant bounds: SLICE, or STRIDED_SLICE where it steps."""
    x, order, shape = op.read(0), op.order(0), op.shape(0)
    starts = op.constant(1, "starts").ravel()
    op.constant(2, "ends")
    axes = op.constant(3, "axes").ravel() if op.input(3) is not None else np.arange(len(starts))
    steps = op.constant(4, "steps").ravel() if op.input(4) is not None else np.ones_like(starts)
    begin, stride = [0] * len(order), [1] * len(order)
    for start, axis, step in zip(starts.tolist(), axes.tolist(), steps.tolist(), strict=True):
        size = shape[axis]
        last = size - 1 if step < 0 else size
        place = order.index(axis % len(shape))
        begin[place] = min(max(start + size if start < 0 else start, 0), last)
        stride[place] = step
    counts = [1 if axis == NEW else op.result_shape[axis] for axis in order]
    if 0 in counts:
        raise op.unsupported("of nothing")
    if all(step == 1 for step in stride):
        y = op.emit("SLICE", [x, op.fixed("begin", begin), op.fixed("size", counts)], counts)
    else:
        ends = [
            first + count * step for first, count, step in zip(begin, counts, stride, strict=True)
        ]
        to_the_end = sum(1 << place for place, end in enumerate(ends) if end < 0)
        inputs = [x, op.fixed("begin", begin), op.fixed("end", ends), op.fixed("step", stride)]
        options = schema.options("StridedSlice", beginMask=0, endMask=to_the_end)
        y = op.emit("STRIDED_SLICE", inputs, counts, options)
    op.give(y, order)


def gather(op: Op) -> None:
    """Writes a Gather of entries of an activation, at constant places."""
    if op.is_constant(0):
        raise op.unsupported("of constants at places that are not constant")
    shape, indices = op.shape(0), op.constant(1, "indices")
    axis = op.integer("axis", 0) % len(shape)
    indices = np.where(indices < 0, indices + shape[axis], indices)
    x = op.read(0, as_in_onnx(len(shape)))
    new_shape = (*shape[:axis], *indices.shape, *shape[axis + 1 :])
    inputs = [x, op.fixed("indices", indices)]
    y = op.emit("GATHER", inputs, new_shape, schema.options("Gather", axis=axis))
    op.give(y, as_in_onnx(len(new_shape)))
