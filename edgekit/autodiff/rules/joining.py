"""Joining values, and taking parts of them."""

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp, vjp_of_many
from edgekit.autodiff.shapes import constant_input, operand, shape_of, where
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import int_of, string_of


@vjp("Concat")
def concat(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """Each input gets its part of dY."""
    shapes = [shape_of(operand(node, index)) for index in range(len(node.inputs))]
    axis = int_of(node, "axis", 0) % len(shapes[0])
    parts, start = [], 0
    for shape in shapes:
        end = start + shape[axis]
        parts.append(build.cut(dy, starts=[start], ends=[end], axes=[axis]))
        start = end
    return parts


@vjp_of_many("Split")
def split(node: ir.Node, dys: Gradients, build: Backward) -> Gradients:
    """The parts side by side, zeros for those that nothing depends on."""
    axis = int_of(node, "axis", 0) % len(shape_of(operand(node, 0)))
    parts = [
        build.zeros_like(output) if dy is None else dy
        for output, dy in zip(node.outputs, dys, strict=True)
    ]
    return [build.concat(parts, axis)]


@vjp("Slice")
def take_slice(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY where the slice was taken, zeros elsewhere."""
    shape = shape_of(operand(node, 0))
    starts, ends = (constant_input(node, index) for index in (1, 2))
    axes, steps = constant_input(node, 3), constant_input(node, 4)
    if starts is None or ends is None:
        raise UnsupportedModel(f"{where(node)}: it has no starts or ends")
    for number in range(len(starts)):
        axis = (number if axes is None else int(axes[number])) % len(shape)
        step = 1 if steps is None else int(steps[number])
        taken = range(shape[axis])[int(starts[number]) : _end(int(ends[number]), step) : step]
        dy = _spread(dy, axis, taken, shape[axis], build)
    return [dy]


@vjp("Pad")
def pad(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY without its rim, for padding with a constant."""
    if string_of(node, "mode", "constant") != "constant":
        raise UnsupportedModel(
            f"{where(node)}: only padding with a constant can be differentiated; "
            "raise what pads by reflection or the edge into the data"
        )
    shape = shape_of(operand(node, 0))
    pads, given = constant_input(node, 1), constant_input(node, 3)
    if pads is None:
        raise UnsupportedModel(f"{where(node)}: it has no pads")
    axes = range(len(shape)) if given is None else [int(axis) % len(shape) for axis in given]
    before, after = [0] * len(shape), [0] * len(shape)
    for number, axis in enumerate(axes):
        before[axis], after[axis] = int(pads[number]), int(pads[number + len(axes)])
    starts = [max(number, 0) for number in before]
    ends = [size - max(number, 0) for size, number in zip(shape_of(dy), after, strict=True)]
    kept = build.cut(dy, starts=starts, ends=ends, axes=range(len(shape)))
    back = ([max(-number, 0) for number in side] for side in (before, after))
    return [build.pad(kept, *back)]


def _end(end: int, step: int) -> int | None:
    """Where a slice ends in Python's terms; a great negative end of a backward slice is none."""
    return None if step < 0 and end < -(2**31) + 2 else end


def _spread(dy: ir.Value, axis: int, taken: range, size: int, build: Backward) -> ir.Value:
    """DY along an axis of `size` zeros, its numbers at the places `taken`."""
    if len(taken) == 0:
        shape = list(shape_of(dy))
        shape[axis] = size
        return build.expand(build.constant(0.0, dtype=dy.dtype), shape)
    if taken.step < 0:
        dy, taken = build.reverse(dy, [axis]), taken[::-1]
    shape = list(shape_of(dy))
    if taken.step > 1 and len(taken) > 1:
        rank = len(shape)
        apart = build.reshape(dy, [*shape[: axis + 1], 1, *shape[axis + 1 :]])
        gap = [taken.step - 1 if number == axis + 1 else 0 for number in range(rank + 1)]
        apart = build.pad(apart, [0] * (rank + 1), gap)
        shape[axis] = len(taken) * taken.step
        dy = build.reshape(apart, shape)
        shape[axis] = taken[-1] - taken[0] + 1
        dy = build.cut(dy, starts=[0], ends=[shape[axis]], axes=[axis])
    before = [taken[0] if number == axis else 0 for number in range(len(shape))]
    after = [size - taken[0] - n if number == axis else 0 for number, n in enumerate(shape)]
    return build.pad(dy, before, after)
