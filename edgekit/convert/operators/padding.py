"""Pad: with a number, or with a reflection."""

import numpy as np

from edgekit.convert import schema
from edgekit.convert.layout import NEW
from edgekit.convert.op import Op
from edgekit.convert.tails import grid_wanted
from edgekit.convert.writer import Tensor


def can_be_integer(op: Op) -> bool:
    """Whether int8 is copied between numbers that are on the grid, or rounded to it anyway."""
    known = op.input(2) is None or op.is_constant(2)
    return known and (_number(op) == 0 or grid_wanted(op.node.outputs[0]) == op.grid)


def pad(op: Op) -> None:
    """Writes a Pad with constant widths."""
    mode = op.text("mode", "constant")
    if mode not in ("constant", "reflect"):
        raise op.unsupported(f"in the mode {mode!r}")
    rank, order = len(op.shape(0)), op.order(0)
    widths = op.constant(1, "widths").ravel()
    axes = op.constant(3, "axes").ravel() % rank if op.input(3) is not None else np.arange(rank)
    if widths.min(initial=0) < 0:
        raise op.unsupported("with negative widths")
    both = np.zeros((rank, 2), np.int64)
    both[axes] = widths.reshape(2, -1).T
    x = op.read(0)
    pads = [(0, 0) if axis == NEW else tuple(both[axis].tolist()) for axis in order]
    shape = [size + sum(around) for size, around in zip(x.shape, pads, strict=True)]
    inputs = [x, op.fixed("pads", pads)]
    if mode == "reflect":
        options = schema.options("MirrorPad", mode=schema.mirror_mode("REFLECT"))
        y = op.emit("MIRROR_PAD", inputs, shape, options)
    else:
        number = _number(op)
        if number == 0:
            y = op.emit("PAD", inputs, shape)
        else:
            y = op.emit("PADV2", [*inputs, _filler(op, number)], shape)
    op.give(y, order)


def _number(op: Op) -> float:
    return 0.0 if op.input(2) is None else float(op.constant(2, "values").item())


def _filler(op: Op, number: float) -> Tensor:
    if op.grid is None:
        return op.fixed("filler", [number], op.dtype)
    nearest = np.array([op.grid.nearest(number)], np.int8)
    return op.lowering.writer.constant("filler", nearest, op.grid)
