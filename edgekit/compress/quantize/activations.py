"""Decides which values of a graph become uint8, and writes their Quantize/Dequantize pairs.

The form is what onnxruntime fuses whole (ONNX operators between a DequantizeLinear and a
QuantizeLinear) and what TFLite's kernels demand: a Concat's inputs share one scale, operators that
only move values keep theirs, and squashing functions have the scale that their range implies.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.layers import is_layer
from edgekit.compress.progress import Progress
from edgekit.compress.quantize.ranges import (
    CALIBRATORS,
    Calibrator,
    Observed,
    Scale,
    scale_for,
)
from edgekit.compress.sensitivity import answers_of, change_between
from edgekit.graph.edit import add_initializer
from edgekit.graph.match import constant, input_of, is_op, only_reader, string_of
from edgekit.graph.observe import Observer

_LAYERS = ("Conv", "Gemm", "MatMul")
_ARITHMETIC = (*_LAYERS, "Add", "GlobalAveragePool", "LeakyRelu", "Mul", "Sub")
_POOLS = ("AveragePool", "GlobalMaxPool", "MaxPool")
_REARRANGES = (
    "Concat", "DepthToSpace", "Flatten", "Reshape", "Slice", "Split", "Squeeze", "Transpose",
    "Unsqueeze",
)  # fmt: skip
_SQUASHES = {
    "Sigmoid": Scale(1 / 256, 0),
    "Softmax": Scale(1 / 256, 0),
    "Tanh": Scale(1 / 128, 128),
}
_CLAMPS = ("Relu", "Clip")
_ASKED = 40
PIXELS = Scale(1.0, 0)
"""A picture's bytes are their own integers."""


@dataclass(frozen=True)
class Plan:
    """Which values become integers.

    Attributes:
        groups: names of values that share one scale, in the order of the graph.
        fixed: the scale of values whose scale is given by what makes them.
        clamped: the least and the greatest that the last part of integer arithmetic lets through,
            by the name of what it gives.
        nodes: the names of the nodes that will compute with integers.
    """

    groups: tuple[tuple[str, ...], ...]
    fixed: Mapping[str, Scale]
    clamped: Mapping[str, tuple[float, float]]
    nodes: frozenset[str | None]


Scales = Mapping[str, tuple[Scale, ...]]
"""By a value's name the scales it has one after another: who reads it reads it at the last."""


def plan_activations(model: ir.Model, *, keep: frozenset[str] = frozenset()) -> Plan:
    """Which values of a float graph become uint8.

    Args:
        model: in canonical form, every node named.
        keep: names of nodes that stay in float.
    """
    pixels = pixels_as_float(model)
    groups = _Groups()
    fixed: dict[str, Scale] = {}
    clamped: dict[str, tuple[float, float]] = {}
    nodes: set[str | None] = set()
    for node in model.graph:
        is_part = _is_part_of(node, nodes)
        if node.name in keep or not (is_part or _becomes_integer(node, groups)):
            continue
        nodes.add(node.name)
        reads = [value for value in node.inputs if _is_float(value) and constant(value) is None]
        gives = [value for value in node.outputs if _is_float(value)]
        if is_part:
            reads = []
            clamped[_name(node.outputs[0])] = _bounds(node)
        if _is_clamped(node) or _gives_logits(node):
            gives = []
        for value in [*reads, *gives]:
            groups.add(_name(value))
        if _moves(node):
            groups.join([_name(value) for value in [*reads, *gives]])
        if node.op_type in _SQUASHES:
            fixed[_name(node.outputs[0])] = _SQUASHES[node.op_type]
    if pixels is not None and pixels in groups:
        fixed[pixels] = PIXELS
    return Plan(groups.all(), fixed, clamped, frozenset(nodes))


def observe_ranges(
    model: ir.Model, plan: Plan, tensors: Sequence[Array], *, progress: Progress, seed: int = 0
) -> dict[str, Observed]:
    """What each planned value is for the samples, by name."""
    rng = np.random.default_rng(seed)
    names = [name for group in plan.groups for name in group]
    observer = Observer(model, names)
    ranges = {name: Observed() for name in names}
    for tensor in progress.track(tensors, "observing ranges", total=len(tensors)):
        found = observer.run(tensor)
        for name in names:
            ranges[name].add(found[name], rng)
    return ranges


def choose_scales(plan: Plan, ranges: Mapping[str, Observed], calibrator: Calibrator) -> Scales:
    """The scales of each planned value; members of a group have the same last one.

    One that what makes a value implies is taken where it holds all that the group was seen to be.
    A clamped value has a scale of its own before that of its group where it needs one: engines
    fuse a Relu or Clip into the layer before it only if the scale goes no further than it does.
    """
    scales: dict[str, tuple[Scale, ...]] = {}
    for group in plan.groups:
        seen = [ranges[name] for name in group]
        implied = {plan.fixed[name] for name in group if name in plan.fixed}
        fitting = [scale for scale in implied if all(scale.holds(part) for part in seen)]
        scale = fitting[0] if len(fitting) == 1 else scale_for(seen, calibrator)
        for name in group:
            own, bounds = scale, plan.clamped.get(name)
            if bounds is not None and not scale.is_within(*bounds):
                own = scale_for([ranges[name]], calibrator)
            scales[name] = (scale,) if own == scale else (own, scale)
    return scales


def best_calibrator(
    model: ir.Model,
    plan: Plan,
    ranges: Mapping[str, Observed],
    tensors: Sequence[Array],
    *,
    progress: Progress,
) -> Calibrator:
    """The calibrator under which quantised activations alone change the answer least.

    None is best everywhere: nets whose largest activations carry the answer want all of the
    range, others lose to rare outliers.
    """
    asked = tensors[:: max(1, len(tensors) // _ASKED)]
    was = answers_of(model, asked)
    change: dict[Calibrator, float] = {}
    for calibrator in progress.track(CALIBRATORS, "choosing ranges", total=len(CALIBRATORS)):
        tried = model.clone()
        insert_scales(tried, plan, choose_scales(plan, ranges, calibrator))
        change[calibrator] = change_between(was, answers_of(tried, asked))
    return min(change, key=lambda calibrator: change[calibrator])


def insert_scales(model: ir.Model, plan: Plan, scales: Scales) -> None:
    """Writes the Quantize/Dequantize pairs in place; weights stay in float."""
    constants: dict[tuple[str, float], ir.Value] = {}

    def shared(kind: str, number: float, dtype: type) -> ir.Value:
        if (kind, number) not in constants:
            constants[kind, number] = add_initializer(model, kind, np.array(number, dtype))
        return constants[kind, number]

    def parameters(scale: Scale) -> list[ir.Value]:
        return [
            shared("scale", scale.scale, np.float32),
            shared("zero_point", scale.zero_point, np.uint8),
        ]

    values = {str(value.name): value for value in _values(model)}
    pixels = pixels_as_float(model)
    for name, chain in scales.items():
        value = values[name]
        producer = value.producer()
        made_by_integers = producer is not None and producer.name in plan.nodes
        readers = [
            (node, index)
            for node, index in value.uses()
            if made_by_integers or node.name in plan.nodes
        ]
        is_pixels = name == pixels and chain == (PIXELS,)
        if is_pixels:
            readers = list(value.uses())
        restored = value
        for place, scale in enumerate(chain):
            part = f"{name}_{place}" if place else name
            if is_pixels:
                assert producer is not None
                assert producer.inputs[0] is not None
                integers = producer.inputs[0]
            else:
                quantize = ir.node("QuantizeLinear", [restored, *parameters(scale)])
                quantize.outputs[0].name = f"{part}_quantized"
                _insert_behind(model, restored, quantize)
                integers = quantize.outputs[0]
            dequantize = ir.node("DequantizeLinear", [integers, *parameters(scale)])
            restored = dequantize.outputs[0]
            restored.name = f"{part}_dequantized"
            restored.shape, restored.type = value.shape, value.type
            _insert_behind(model, integers, dequantize)
        for node, index in readers:
            node.replace_input_with(index, restored)
        if is_pixels:
            assert producer is not None
            model.graph.remove(producer, safe=True)
        elif value.is_graph_output() and made_by_integers:
            _make_public(model, value, restored)


def pixels_as_float(model: ir.Model) -> str | None:
    """The value that is the uint8 input as float, with nothing done to its numbers."""
    value = model.graph.inputs[0]
    if value.dtype != ir.DataType.UINT8:
        return None
    reader = only_reader(value)
    if reader is not None and is_op(reader, "Transpose"):
        reader = only_reader(reader.outputs[0])
    return _name(reader.outputs[0]) if reader is not None and is_op(reader, "Cast") else None


def _becomes_integer(node: ir.Node, groups: "_Groups") -> bool:
    if not _is_float(node.outputs[0]):
        return False
    if is_op(node, *_LAYERS):
        return is_layer(node)
    if _is_last_word(node.outputs[0]):
        return False
    if is_op(node, *_ARITHMETIC, *_SQUASHES, *_CLAMPS) or _moves(node):
        return any(_name(value) in groups for value in node.inputs)
    return False


def _moves(node: ir.Node) -> bool:
    """Whether what a node gives is among what it reads, or a mean of it: the scale stays."""
    if is_op(node, "Resize"):
        return string_of(node, "mode", "nearest") == "nearest"
    return is_op(node, *_POOLS, *_REARRANGES)


def _is_last_word(value: ir.Value) -> bool:
    """Whether nothing but reshaping and squashing separates a value from the model's outputs.

    Answers keep their resolution: of a thousand classes, the best two are often on one of 256
    levels.
    """
    if value.is_graph_output():
        return True
    readers = [node for node, _ in value.uses()]
    return all(
        is_op(node, *_REARRANGES, *_SQUASHES, "LogSoftmax") and _is_last_word(node.outputs[0])
        for node in readers
    )


def _gives_logits(node: ir.Node) -> bool:
    """Whether a dense layer says the last word: engines give its sums of integers as floats.

    Of a Conv they do not, and would compute it in float.
    """
    return is_op(node, "Gemm", "MatMul") and _is_last_word(_clamped(node))


def _is_part_of(node: ir.Node, nodes: Container[str | None]) -> bool:
    """Whether a Relu or Clip alone reads integer arithmetic, and so is part of it."""
    value = node.inputs[0] if is_op(node, *_CLAMPS) else None
    before = None if value is None else value.producer()
    if before is None or before.name not in nodes or not _is_clamped(before):
        return False
    return is_op(before, "Conv") or not _is_last_word(node.outputs[0])


def _bounds(node: ir.Node) -> tuple[float, float]:
    """What a Relu or Clip lets through, as far as that is constant."""
    if is_op(node, "Relu"):
        return 0.0, np.inf
    low, high = (constant(input_of(node, index)) for index in (1, 2))
    return -np.inf if low is None else float(low), np.inf if high is None else float(high)


def _is_clamped(node: ir.Node) -> bool:
    return is_op(node, *_ARITHMETIC) and _clamped(node) is not node.outputs[0]


def _clamped(node: ir.Node) -> ir.Value:
    """What a node gives after the Relu or Clip that alone reads it, if there is one."""
    reader = only_reader(node.outputs[0])
    is_clamped = reader is not None and is_op(reader, *_CLAMPS)
    return reader.outputs[0] if reader is not None and is_clamped else node.outputs[0]


def _is_float(value: ir.Value | None) -> bool:
    return value is not None and value.dtype == ir.DataType.FLOAT


def _name(value: ir.Value | None) -> str:
    return "" if value is None else str(value.name)


def _values(model: ir.Model) -> Iterator[ir.Value]:
    yield from model.graph.inputs
    for node in model.graph:
        yield from node.outputs


def _insert_behind(model: ir.Model, value: ir.Value, node: ir.Node) -> None:
    producer = value.producer()
    if producer is None:
        model.graph.insert_before(model.graph[0], node)
    else:
        model.graph.insert_after(producer, node)


def _make_public(model: ir.Model, old: ir.Value, new: ir.Value) -> None:
    name = old.name
    old.name = f"{name}_float"
    new.name = name
    for index, output in enumerate(model.graph.outputs):
        if output is old:
            model.graph.outputs[index] = new


class _Groups:
    """Names in sets that can be joined, remembered in the order in which they came."""

    def __init__(self) -> None:
        self._leader: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._leader

    def add(self, name: str) -> None:
        self._leader.setdefault(name, name)

    def join(self, names: Sequence[str]) -> None:
        leaders = {self._find(name) for name in names}
        first = next(name for name in self._leader if self._find(name) in leaders)
        for name in leaders:
            self._leader[name] = self._find(first)

    def all(self) -> tuple[tuple[str, ...], ...]:
        found: dict[str, list[str]] = {}
        for name in self._leader:
            found.setdefault(self._find(name), []).append(name)
        return tuple(tuple(names) for names in found.values())

    def _find(self, name: str) -> str:
        while self._leader[name] != name:
            name = self._leader[name]
        return name
