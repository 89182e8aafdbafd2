"""Chooses the scales of the values that become uint8, and writes their pairs of nodes."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.progress import Progress
from edgekit.compress.quantize.planning import PIXELS, Plan, pixels_as_float
from edgekit.compress.quantize.ranges import (
    CALIBRATORS,
    Calibrator,
    Observed,
    Scale,
    scale_for,
)
from edgekit.compress.sensitivity import answers_of, change_between
from edgekit.graph.edit import add_initializer
from edgekit.graph.observe import Observer

_ASKED = 40

Scales = Mapping[str, tuple[Scale, ...]]
"""By a value's name the scales it has one after another: who reads it reads it at the last."""


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
    pairs = _Pairs(model)
    values = {str(value.name): value for value in _values(model)}
    pixels = pixels_as_float(model)
    for name, chain in scales.items():
        value = values[name]
        producer = value.producer()
        if name == pixels and chain == (PIXELS,):
            assert producer is not None
            assert producer.inputs[0] is not None
            restored = pairs.dequantized(producer.inputs[0], value, PIXELS)
            value.replace_all_uses_with(restored)
            model.graph.remove(producer, safe=True)
            continue
        made_by_integers = producer is not None and producer.name in plan.nodes
        readers = [
            (node, index)
            for node, index in value.uses()
            if made_by_integers or node.name in plan.nodes
        ]
        restored = value
        for scale in chain:
            restored = pairs.dequantized(pairs.quantized(restored, scale), value, scale)
        for node, index in readers:
            node.replace_input_with(index, restored)
        if value.is_graph_output() and made_by_integers:
            _make_public(model, value, restored)


class _Pairs:
    """Writes QuantizeLinear and DequantizeLinear nodes, which share equal scales."""

    def __init__(self, model: ir.Model) -> None:
        self._model = model
        self._constants: dict[tuple[str, float], ir.Value] = {}

    def quantized(self, value: ir.Value, scale: Scale) -> ir.Value:
        """A float value as integers."""
        quantize = ir.node("QuantizeLinear", [value, *self._parameters(scale)])
        return self._inserted(quantize, value, f"{value.name}_quantized")

    def dequantized(self, integers: ir.Value, value: ir.Value, scale: Scale) -> ir.Value:
        """Integers as the float value that they stand for."""
        dequantize = ir.node("DequantizeLinear", [integers, *self._parameters(scale)])
        restored = dequantize.outputs[0]
        restored.shape, restored.type = value.shape, value.type
        return self._inserted(dequantize, integers, f"{integers.name}_dequantized")

    def _parameters(self, scale: Scale) -> list[ir.Value]:
        return [
            self._constant("scale", scale.scale, np.float32),
            self._constant("zero_point", scale.zero_point, np.uint8),
        ]

    def _constant(self, kind: str, number: float, dtype: type) -> ir.Value:
        if (kind, number) not in self._constants:
            made = add_initializer(self._model, kind, np.array(number, dtype))
            self._constants[kind, number] = made
        return self._constants[kind, number]

    def _inserted(self, node: ir.Node, value: ir.Value, name: str) -> ir.Value:
        node.outputs[0].name = name
        producer, graph = value.producer(), self._model.graph
        if producer is None:
            graph.insert_before(graph[0], node)
        else:
            graph.insert_after(producer, node)
        return node.outputs[0]


def _values(model: ir.Model) -> Iterator[ir.Value]:
    yield from model.graph.inputs
    for node in model.graph:
        yield from node.outputs


def _make_public(model: ir.Model, old: ir.Value, new: ir.Value) -> None:
    name = old.name
    old.name = f"{name}_float"
    new.name = name
    for index, output in enumerate(model.graph.outputs):
        if output is old:
            model.graph.outputs[index] = new
