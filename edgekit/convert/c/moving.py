"""Pools, and what only moves int8 numbers."""

import numpy as np

from edgekit.convert.c.lowering import Lowering, window
from edgekit.convert.c.reading import Operator


def pool(low: Lowering, op: Operator) -> None:
    """A MAX_POOL_2D or AVERAGE_POOL_2D."""
    x, y = low.tensor(op.inputs[0]), low.tensor(op.outputs[0])
    if (x.scale, x.zero_point) != (y.scale, y.zero_point):
        raise op.unsupported("from one grid to another", "give both one scale")
    numbers, _ = window(op, x, y, (op.options.filterHeight, op.options.filterWidth))
    kernel = op.code.removesuffix("_2D").lower()
    low.add(op, kernel, f"ek_{kernel}({{0}}, {{y}}, {low.program.window(numbers)}, {low.grid(op)})")


def pad(low: Lowering, op: Operator) -> None:
    """A PAD or PADV2 along height and width."""
    x, y = low.tensor(op.inputs[0]), low.tensor(op.outputs[0])
    pads = low.tensor(op.inputs[1]).data
    value = x.zero_point
    if len(op.inputs) > 2:
        filler = low.tensor(op.inputs[2])
        value = int(filler.data.item()) if filler.data is not None else value
    shape = (1,) * (4 - len(x.shape)) + x.shape
    sides = np.zeros((4, 2), int)
    if pads is None or len(x.shape) > 4:
        raise op.unsupported("by numbers that are not constant", "use constant pads")
    sides[4 - len(x.shape) :] = pads
    if sides[[0, 3]].any():
        raise op.unsupported("of channels", "pad along time or a picture's sides")
    out = shape[1] + sides[1].sum(), shape[2] + sides[2].sum()
    numbers = [*shape[1:], *out, 1, 1, 1, 1, 1, 1, sides[1, 0], sides[2, 0], value, 0]
    assert out[0] * out[1] * shape[3] == y.size
    low.add(op, "pad", f"ek_pad({{0}}, {{y}}, {low.program.window(numbers)})")


def transpose(low: Lowering, op: Operator) -> None:
    """A TRANSPOSE of at most four axes."""
    x = low.tensor(op.inputs[0])
    given = low.tensor(op.inputs[1]).data
    if given is None or len(x.shape) > 4:
        raise op.unsupported("of more than 4 axes", "use fewer")
    order = [int(axis) for axis in given.ravel()]
    steps = [int(np.prod(x.shape[axis + 1 :], dtype=np.int64)) for axis in order]
    lead = 4 - len(order)
    sizes = low.program.constant("sizes", [1] * lead + [x.shape[axis] for axis in order], np.int32)
    strides = low.program.constant("steps", [0] * lead + steps, np.int32)
    low.add(op, "transpose", f"ek_transpose({{0}}, {{y}}, {sizes}, {strides})")


def enlarge(low: Lowering, op: Operator) -> None:
    """A RESIZE_NEAREST_NEIGHBOR by whole factors."""
    x, y = low.tensor(op.inputs[0]), low.tensor(op.outputs[0])
    if y.shape[1] % x.shape[1] or y.shape[2] % x.shape[2] or op.options.alignCorners:
        raise op.unsupported("by a broken factor", "enlarge by whole factors")
    sizes = f"{x.shape[1]}, {x.shape[2]}, {x.shape[3]}"
    factors = f"{y.shape[1] // x.shape[1]}, {y.shape[2] // x.shape[2]}"
    low.add(op, "enlarge", f"ek_enlarge({{0}}, {{y}}, {sizes}, {factors})")


def join(low: Lowering, op: Operator) -> None:
    """A CONCATENATION on one grid."""
    y = low.tensor(op.outputs[0])
    parts = [low.tensor(index) for index in op.inputs]
    if any((p.scale, p.zero_point) != (y.scale, y.zero_point) or p.data is not None for p in parts):
        raise op.unsupported("of several grids", "give its inputs one scale")
    axis = op.options.axis % len(y.shape)
    inner = int(np.prod(y.shape[axis + 1 :], dtype=np.int64))
    runs, step = int(np.prod(y.shape[:axis], dtype=np.int64)), y.shape[axis] * inner
    begin, calls = 0, []
    for number, part in enumerate(parts):
        length = part.shape[axis] * inner
        calls.append(f"ek_join({{{number}}}, {{y}} + {begin}, {runs}, {length}, {step})")
        begin += length
    low.add(op, "join", ";\n    ".join(calls))
