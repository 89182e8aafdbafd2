"""Expand and Tile."""

import numpy as np

from edgekit.convert.layout import NEW, as_in_onnx, expanded
from edgekit.convert.op import Op


def expand(op: Op) -> None:
    """Writes an Expand to a shape that is known."""
    shape = op.result_shape
    missing = len(shape) - len(op.shape(0))
    order = as_in_onnx(len(shape)) if missing else op.order(0)
    x = op.read(0, expanded(order, missing) if missing else order)
    counts = [1 if axis == NEW else shape[axis] for axis in order]
    op.give(op.emit("BROADCAST_TO", [x, op.fixed("shape", counts)], counts), order)


def tile(op: Op) -> None:
    """Writes a Tile with constant repeats."""
    repeats, order = op.constant(1, "repeats").ravel(), op.order(0)
    x = op.read(0)
    counts = [1 if axis == NEW else int(repeats[axis]) for axis in order]
    shape = np.multiply(x.shape, counts).tolist()
    op.give(op.emit("TILE", [x, op.fixed("repeats", counts)], shape), order)
