"""Static INT8: uint8 activations and int8 weights, in the form that onnxruntime and LiteRT fuse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.bundle.writing import travels_bytes
from edgekit.compress.layers import Layer, linear_layers
from edgekit.compress.progress import Progress, Silent
from edgekit.compress.quantize.activations import (
    choose_scales,
    insert_scales,
    observe_ranges,
    plan_activations,
)
from edgekit.compress.quantize.allocation import Allocation, allocate, uniform_steps
from edgekit.compress.quantize.equalize import channel_peaks, equalize
from edgekit.compress.quantize.gram import Gram
from edgekit.compress.quantize.half import store_in_half
from edgekit.compress.quantize.ranges import Calibrator, Scale
from edgekit.compress.quantize.rounding import (
    entropy_bytes,
    every_level,
    round_least_squares,
    round_nearest,
)
from edgekit.compress.quantize.storage import levels_that_travel, store_weights
from edgekit.compress.quantize.tune import Budget, tune_weights
from edgekit.compress.quantize.weights import (
    Rounded,
    Rule,
    per_channel_steps,
    round_weights,
)
from edgekit.compress.steps import Precision, size_in_bytes
from edgekit.errors import ConfigError, UnsupportedModel
from edgekit.graph.match import is_op, only_reader

Rounding = Literal["least-squares", "nearest"]

_FULL, _REDUCED = 127, 63
_GRAPH_BYTES = 6_000
"""About what a file has besides weights, before the first is written."""
_ATTEMPTS = 4
_NEAR = 0.985
_NEAR_TUNED = 0.995
_COARSE_BITS = 4.0
"""Layers with more bits a weight gain nothing from tuning."""


def quantize(
    model: ir.Model,
    tensors: Sequence[Array],
    *,
    size: str | None = None,
    tune: int = 0,
    price: float = 1.0,
    rounding: Rounding = "least-squares",
    calibrator: Calibrator = "min-max",
    equalization: float = 0.5,
    full_range: bool = False,
    keep: Mapping[str, Precision] = MappingProxyType({}),
    seed: int = 0,
    progress: Progress | None = None,
) -> ir.Model:
    """The model with its linear algebra in 8-bit integers.

    Jacob et al., 2018, arXiv:1712.05877. Activations are uint8, weights int8 (U8S8), as both
    onnxruntime and LiteRT have fast kernels for. Channels are equalised, weights are rounded so
    that each layer's output changes least, given what the layers before it did, and biases make
    good the mean. The last answer keeps its resolution: logits stay in float.

    Args:
        model: in canonical form, with one input; left as it is.
        tensors: unlabelled samples, as the model takes them, each a batch of one.
        size: what the model's file may have when it travels (under xz). Weights then have fewer
            bits, more where the answer depends on them. Without it, 8 bits for every weight.
        tune: so many batches of 32 samples the integers are trained for, to answer as the float
            model does; with `size` only.
        price: how dear a bit is when a weight is rounded, with `size`: 1 is what it is worth.
        rounding: `nearest` rounds each weight by itself.
        calibrator: how the ranges of activations are chosen.
        equalization: 0 leaves the channels as they are, 1 makes them equally large.
        full_range: use all 8 bits of the weights. Without it they have 7, and no x86 CPU
            saturates: those without VNNI add pairs of products in 16 bits, and full-range
            weights overflow them. ARM CPUs are right either way.
        keep: layers that stay in float, by name, with what their weights are stored in.
        seed: of everything by chance.
        progress: shows how far this is.

    Raises:
        UnsupportedModel: there is no layer to quantise, `keep` names one that is not there, or
            the size cannot be reached.
    """
    progress = progress or Silent()
    if tune and size is None:
        raise ConfigError("quantize", ["tune: needs a size; INT8 of 8 bits has nothing to gain"])
    limit = _FULL if full_range else _REDUCED
    prepared = _prepare(model, tensors, keep, calibrator, equalization, seed, progress)
    if size is None:
        rule = eight_bits(limit=limit, nearest=rounding == "nearest")
        made, _ = prepared.rounded_by(rule, tensors, progress)
    else:
        goal = size_in_bytes(size)
        made = _sized(prepared, tensors, goal, tune, limit, price, seed, progress)
    for name, precision in keep.items():
        if precision == "fp16":
            store_in_half(made, name)
    return made


@dataclass(frozen=True)
class _Prepared:
    """A model whose activations are quantised and whose weights are not yet.

    Attributes:
        original: the float model, its channels equalised.
        model: the same with Quantize/Dequantize pairs.
        names: of the layers to round.
        inputs: the scale of what each reads, by name.
        units: what its bias is measured in, by name.
    """

    original: ir.Model
    model: ir.Model
    names: tuple[str, ...]
    inputs: Mapping[str, float]
    units: Mapping[str, float]

    def rounded_by(
        self, rule: Rule, tensors: Sequence[Array], progress: Progress
    ) -> tuple[ir.Model, "_Draft"]:
        """The finished model, and what it was made of."""
        draft = self.model.clone()
        rounded = round_weights(
            draft, self.original, tensors, rule, names=self.names, progress=progress
        )
        return self.stored(draft, rounded), _Draft(draft, rounded)

    def stored(self, draft: ir.Model, rounded: Mapping[str, Rounded]) -> ir.Model:
        """A draft with its weights as integers."""
        made = draft.clone()
        store_weights(made, rounded, self.inputs)
        return made


@dataclass(frozen=True)
class _Draft:
    """A model with rounded weights that are still floats, and the integers they are."""

    model: ir.Model
    rounded: dict[str, Rounded]

    @property
    def entropy(self) -> float:
        """What the integers take by their frequencies, in bytes."""
        return sum(entropy_bytes(layer.integers) for layer in self.rounded.values())


def _prepare(
    model: ir.Model,
    tensors: Sequence[Array],
    keep: Mapping[str, Precision],
    calibrator: Calibrator,
    equalization: float,
    seed: int,
    progress: Progress,
) -> _Prepared:
    original = model.clone()
    name_nodes(original)
    unknown = sorted(set(keep) - {layer.name for layer in linear_layers(original)})
    if unknown:
        raise UnsupportedModel(f"has no layer {unknown[0]!r} to keep")
    if equalization:
        peaks = channel_peaks(original, tensors, progress)
        equalize(original, peaks, strength=equalization)
    quantized = original.clone()
    plan = plan_activations(quantized, keep=frozenset(keep))
    layers = [layer for layer in linear_layers(quantized) if layer.node.name in plan.nodes]
    if not layers:
        raise UnsupportedModel("has no layer with constant weights to quantise")
    ranges = observe_ranges(quantized, plan, tensors, progress=progress, seed=seed)
    scales = choose_scales(plan, ranges, calibrator)
    inputs = {layer.name: scales[str(layer.input.name)].scale for layer in layers}
    units = {layer.name: _unit(layer, scales) for layer in layers}
    insert_scales(quantized, plan, scales)
    return _Prepared(original, quantized, tuple(inputs), inputs, units)


def _unit(layer: Layer, scales: Mapping[str, Scale]) -> float:
    """The scale of a layer's output after its ReLU; for a last answer a share of its bias."""
    reader = only_reader(layer.output)
    value = reader.outputs[0] if reader and is_op(reader, "Relu", "Clip") else layer.output
    known = scales.get(str(value.name))
    if known is not None:
        return known.scale
    bias = layer.bias
    peak = 0.0 if bias is None else float(np.abs(bias).max())
    return (peak or 1.0) / 64


def _sized(
    prepared: _Prepared,
    tensors: Sequence[Array],
    goal: int,
    tune: int,
    limit: int,
    price: float,
    seed: int,
    progress: Progress,
) -> ir.Model:
    """Rounds to as fine steps as the size allows, and tunes what came of it."""
    original = prepared.original
    allocation = allocate(original, tensors, names=prepared.names, limit=limit, progress=progress)
    level = allocation.level_for(goal - _GRAPH_BYTES)
    for _ in range(_ATTEMPTS):
        rule = priced_bits(allocation, level, price=price)
        made, draft = prepared.rounded_by(rule, tensors, progress)
        got = travels_bytes(ir.to_proto(made).SerializeToString())
        if _NEAR * goal <= got <= goal or (tune and abs(got - goal) <= 0.03 * goal):
            break
        rest = got - draft.entropy
        if goal * _NEAR <= rest:
            raise UnsupportedModel(f"cannot have {goal:,} bytes: {rest:,.0f} are not weights")
        wanted = goal * (1 + _NEAR) / 2 - rest
        level = allocation.moved(level, factor=wanted / draft.entropy)
    else:
        if got > goal:
            raise UnsupportedModel(f"cannot have {goal:,} bytes: came to {got:,}")
    if not tune:
        return made
    coarse = {name: layer for name, layer in draft.rounded.items() if _is_coarse(layer)}
    rest = got - sum(entropy_bytes(layer.integers) for layer in coarse.values())
    budget = Budget(tune, goal * _NEAR_TUNED - rest, slope_at(level))
    tuned = tune_weights(
        draft.model, original, tensors, coarse, prepared.units,
        budget=budget, progress=progress, seed=seed,
    )  # fmt: skip
    return prepared.stored(draft.model, draft.rounded | tuned)


def _is_coarse(layer: Rounded) -> bool:
    """Whether a layer has so few bits that training can find better ones."""
    return entropy_bytes(layer.integers) * 8 < _COARSE_BITS * layer.integers.size


def slope_at(level: float) -> float:
    """Nats of divergence that a bit of any weight is worth: the slope of ``level 2^-2R / 24``."""
    return float(np.log(2) * level / 12)


def eight_bits(*, limit: int, nearest: bool = False) -> Rule:
    """A step for each output channel, as fine as its largest weight allows."""
    levels = every_level(limit)

    def rule(layer: Layer, gram: Gram) -> Rounded:
        matrix = layer.matrix()
        steps = per_channel_steps(matrix, limit=limit)
        rows = steps.reshape(*matrix.shape[:2], 1)
        if nearest:
            return Rounded(round_nearest(matrix / rows, levels), steps, levels)
        pairs = zip(gram.target(matrix) / rows, gram.damped(), strict=True)
        return Rounded(
            np.stack([round_least_squares(s, c, levels) for s, c in pairs]), steps, levels
        )

    return rule


def priced_bits(allocation: Allocation, level: float, *, price: float) -> Rule:
    """One step for the whole layer, by what its errors cost; and a price on every bit."""

    def rule(layer: Layer, gram: Gram) -> Rounded:
        step = allocation.step(layer.name, level)
        scaled = gram.target(layer.matrix()) / step
        levels = levels_that_travel(scaled, limit=allocation.limit)
        pairs = zip(scaled, gram.damped(), strict=True)
        integers = [round_least_squares(s, c, levels, price=price) for s, c in pairs]
        return Rounded(np.stack(integers), uniform_steps(layer, step), levels)

    return rule


def name_nodes(model: ir.Model) -> None:
    """Gives every node a name, by its first output, so that plans can speak of it."""
    taken: set[str] = set()
    for node in model.graph:
        if not node.name or node.name in taken:
            node.name = str(node.outputs[0].name)
        taken.add(node.name)
