"""How channels pass through operators without weights."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.prune.channels import Role
from edgekit.compress.prune.tracing import Along, Tracer, ints, rule, shape_of
from edgekit.graph.match import constant, ints_of


@rule(
    "Abs", "Cast", "Ceil", "Celu", "Clip", "Dropout", "Elu", "Erf", "Exp", "Floor", "Gelu",
    "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "Mish", "Neg", "Reciprocal",
    "Relu", "Round", "Selu", "Sigmoid", "Sign", "Softplus", "Softsign", "Sqrt", "Tanh",
    "ThresholdedRelu",
)  # fmt: skip
def unary(tracer: Tracer, node: ir.Node) -> None:
    """Looks at each number alone."""
    tracer.put(node.outputs[0], tracer.of(node.inputs[0]))


@rule(
    "AveragePool", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "LpPool", "MaxPool"
)  # fmt: skip
def pool(tracer: Tracer, node: ir.Node) -> None:
    """Looks at each channel alone."""
    along = tracer.of(node.inputs[0])
    if along is None:
        return
    if along.axis > 1 or len(node.outputs) > 1:
        tracer.stop(node, f"read by a {node.op_type} over channels or with indices")
        return
    tracer.put(node.outputs[0], along)


@rule("Softmax", "LogSoftmax", "Hardmax")
def along_an_axis(tracer: Tracer, node: ir.Node) -> None:
    """Mixes what lies along one axis."""
    along, shape = tracer.of(node.inputs[0]), shape_of(node.inputs[0])
    if along is None:
        return
    axis = node.attributes.get_int("axis", -1)
    if shape is None or axis % len(shape) == along.axis:
        tracer.stop(node, f"read by a {node.op_type} over the channels")
        return
    tracer.put(node.outputs[0], along)


@rule(
    "Add", "Div", "Max", "Mean", "Min", "Mul", "PRelu", "Pow", "Sub", "Sum"
)  # fmt: skip
def broadcast(tracer: Tracer, node: ir.Node) -> None:
    """Ties the channels that meet; a constant is cut along with them."""
    rank = len(shape_of(node.outputs[0]) or ())
    operands = [(index, value) for index, value in enumerate(node.inputs) if value is not None]
    known = {index: tracer.of(value) for index, value in operands}
    met = {
        along.axis + rank - len(shape_of(node.inputs[index]) or ()): along.units
        for index, along in known.items()
        if along is not None and len(along.units) > 1
    }
    if not any(along is not None for along in known.values()):
        return
    if len(met) != 1 or any(shape_of(value) is None for _, value in operands):
        tracer.stop(node, f"met by others at a {node.op_type} along another axis")
        return
    ((axis, units),) = met.items()
    for index, value in operands:
        shape, along = shape_of(value) or (), known[index]
        own = axis - rank + len(shape)
        if own < 0 or shape[own] == 1:
            continue
        if along is not None:
            tracer.channels.tie(units, along.units)
        elif constant(value) is not None:
            tracer.bind(node, index, own, units, Role.FOLLOWS)
        else:
            tracer.stop(node, f"met at a {node.op_type} by numbers that no layer makes")
            return
    tracer.put(node.outputs[0], Along(axis, units))


@rule("Concat")
def concat(tracer: Tracer, node: ir.Node) -> None:
    """Puts channels one after the other, or, along another axis, ties them."""
    known = [tracer.of(value) for value in node.inputs]
    axes = {along.axis for along in known if along is not None}
    shapes = [shape_of(value) for value in node.inputs]
    if not axes:
        return
    if len(axes) > 1 or any(shape is None for shape in shapes):
        tracer.stop(node, "met at a Concat by others along another axis")
        return
    axis, sizes = axes.pop(), [shape or () for shape in shapes]
    if node.attributes["axis"].as_int() % len(sizes[0]) == axis:
        parts = [
            _unmade(tracer, shape[axis]) if along is None else along.units
            for along, shape in zip(known, sizes, strict=True)
        ]
        tracer.put(node.outputs[0], Along(axis, np.concatenate(parts)))
    elif any(along is None for along in known):
        tracer.stop(node, "met at a Concat by numbers that no layer makes")
    else:
        first = known[0]
        for along in known[1:]:
            tracer.channels.tie(first.units, along.units)  # type: ignore[union-attr]
        tracer.put(node.outputs[0], first)


@rule("Split")
def split(tracer: Tracer, node: ir.Node) -> None:
    """Hands on a run of channels each."""
    along, shape = tracer.of(node.inputs[0]), shape_of(node.inputs[0])
    if along is None:
        return
    sizes = [shape_of(value) for value in node.outputs]
    if shape is None or any(size is None for size in sizes):
        tracer.stop(node, "read by a Split of unknown sizes")
        return
    if node.attributes.get_int("axis", 0) % len(shape) != along.axis:
        for value in node.outputs:
            tracer.put(value, along)
        return
    ends = np.cumsum([size[along.axis] for size in sizes if size is not None])
    parts = np.split(along.units, ends[:-1])
    tracer.count(node, "split", along.axis, *parts)
    for value, units in zip(node.outputs, parts, strict=True):
        tracer.put(value, Along(along.axis, units))


@rule("Flatten", "Reshape", "Squeeze", "Unsqueeze")
def reshape(tracer: Tracer, node: ir.Node) -> None:
    """Keeps the order of numbers: a channel becomes the run, or runs, of its numbers."""
    along = tracer.of(node.inputs[0])
    if along is None:
        return
    before, after = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    moved = None if before is None or after is None else _reshaped(along, before, after)
    if moved is None:
        tracer.stop(node, f"spread over several axes by a {node.op_type}")
        return
    if node.op_type == "Reshape":
        if constant(node.inputs[1]) is None:
            tracer.stop(node, "read by a Reshape to a computed shape")
            return
        tracer.count(node, "shape", moved.axis, moved.units)
    tracer.put(node.outputs[0], moved)


@rule("Transpose")
def transpose(tracer: Tracer, node: ir.Node) -> None:
    """Moves the axis."""
    along, shape = tracer.of(node.inputs[0]), shape_of(node.inputs[0])
    if along is None or shape is None:
        tracer.stop(node, "read by a Transpose of unknown rank")
        return
    order = ints_of(node, "perm") or list(range(len(shape)))[::-1]
    tracer.put(node.outputs[0], Along(order.index(along.axis), along.units))


@rule(
    "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum",
    "ReduceSumSquare",
)  # fmt: skip
def reduce(tracer: Tracer, node: ir.Node) -> None:
    """Looks at each channel alone if it does not run over them."""
    along, shape = tracer.of(node.inputs[0]), shape_of(node.inputs[0])
    if along is None:
        return
    axes = ints(node.inputs[1]) if len(node.inputs) > 1 else ints_of(node, "axes")
    gone = {axis % len(shape) for axis in axes} if shape and axes else set()
    if not gone or along.axis in gone:
        tracer.stop(node, f"read by a {node.op_type} over the channels")
        return
    keeps = node.attributes.get_int("keepdims", 1) == 1
    axis = along.axis - (0 if keeps else sum(axis < along.axis for axis in gone))
    tracer.put(node.outputs[0], Along(axis, along.units))


@rule("Pad")
def pad(tracer: Tracer, node: ir.Node) -> None:
    """Adds no channels."""
    along, pads = tracer.of(node.inputs[0]), ints(node.inputs[1])
    if along is None:
        return
    rank = None if pads is None else len(pads) // 2
    if pads is None or rank is None or len(node.inputs) > 3 or pads[along.axis :: rank] != [0, 0]:
        tracer.stop(node, "read by a Pad along the channels or by computed sizes")
        return
    tracer.put(node.outputs[0], along)


@rule("Resize")
def resize(tracer: Tracer, node: ir.Node) -> None:
    """Keeps the number of channels."""
    along = tracer.of(node.inputs[0])
    before, after = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    if along is None:
        return
    by_size = len(node.inputs) > 3 and node.inputs[3] is not None
    unclear = before is None or after is None or before[along.axis] != after[along.axis]
    if unclear or "axes" in node.attributes or (by_size and ints(node.inputs[3]) is None):
        tracer.stop(node, "read by a Resize along the channels or by computed sizes")
        return
    if by_size:
        tracer.count(node, "sizes", along.axis, along.units)
    tracer.put(node.outputs[0], along)


def _unmade(tracer: Tracer, count: int) -> Array:
    """Places for channels that no layer makes, such as the picture's own: they have to stay."""
    units = tracer.channels.new(count)
    tracer.channels.fix(units, "not made by any layer")
    return units


def _reshaped(along: Along, before: Sequence[int], after: Sequence[int]) -> Along | None:
    """Where the channels lie after a reshape, if they still lie along one axis."""
    outer = int(np.prod(before[: along.axis]))
    inner = int(np.prod(before[along.axis + 1 :]))
    count = len(along.units)
    for axis, size in enumerate(after):
        lead, tail = int(np.prod(after[:axis])), int(np.prod(after[axis + 1 :]))
        if size % count == 0 and outer % lead == 0 and inner % tail == 0 and size > 1:
            runs, repeats = outer // lead, inner // tail
            if runs * count * repeats == size:
                return Along(axis, np.tile(np.repeat(along.units, repeats), runs))
    return None
