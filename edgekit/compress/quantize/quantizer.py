"""Static INT8: uint8 activations and int8 weights, in the form that onnxruntime and LiteRT fuse."""

import lzma
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
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
from edgekit.compress.quantize.fisher import output_sensitivities
from edgekit.compress.quantize.gram import Gram
from edgekit.compress.quantize.ranges import Calibrator
from edgekit.compress.quantize.rounding import entropy_bytes, round_least_squares, round_nearest
from edgekit.compress.quantize.weights import (
    Rounded,
    Rule,
    finish_weights,
    per_channel_steps,
    round_weights,
)
from edgekit.compress.steps import size_in_bytes


def quantize(
    model: ir.Model,
    tensors: Sequence[Array],
    *,
    full_range: bool = False,
    calibrator: Calibrator = "min-max",
    equalization: float = 0.5,
    rounding: str = "least-squares",
    asymmetric: bool = True,
    price: float = 1.0,
    size: str | None = None,
    tune: int = 0,
    keep: Mapping[str, str] = MappingProxyType({}),
    progress: Progress | None = None,
    seed: int = 0,
) -> ir.Model:
    progress = progress or Silent()
    original = model.clone()
    name_nodes(original)
    if equalization:
        equalize(original, channel_peaks(original, tensors, progress), strength=equalization)
    plain = original.clone()
    plan = plan_activations(plain, keep=frozenset(keep))
    ranges = observe_ranges(plain, plan, tensors, progress=progress)
    scales = choose_scales(plan, ranges, calibrator)
    layers = [layer for layer in linear_layers(plain) if layer.node.name in plan.nodes]
    names = [layer.name for layer in layers]
    inputs = {layer.name: scales[str(layer.input.name)].scale for layer in layers}
    insert_scales(plain, plan, scales)
    limit = 127 if full_range else 63
    if size is None:
        work = plain.clone()
        rule = eight_bits(limit=limit, nearest=rounding == "nearest")
        rounded = round_weights(work, original, tensors, rule, names=names, progress=progress)
        finish_weights(work, rounded, inputs)
        return work
    sensitivities = output_sensitivities(original, tensors, progress=progress)
    allocation = allocate(
        original, tensors, sensitivities, names=names, limit=limit, progress=progress
    )
    target = size_in_bytes(size)
    overhead = 26000.0
    level = allocation.level_for(target - overhead)
    for attempt in range(2):
        work = plain.clone()
        rule = priced_bits(allocation, level, price=price)
        rounded = round_weights(work, original, tensors, rule, names=names, progress=progress)
        float_work = work.clone()
        finish_weights(work, rounded, inputs)
        got = len(
            lzma.compress(ir.to_proto(work).SerializeToString(), preset=9 | lzma.PRESET_EXTREME)
        )
        ent = sum(entropy_bytes(r.integers) for r in rounded.values())
        print(attempt, level, allocation.bytes_at(level), "entropy", ent, "xz", got, flush=True)
        if abs(got / target - 1) < 0.01:
            break
        level = allocation.moved(level, factor=(target - got + ent) / ent)
    return work


def eight_bits(*, limit: int, nearest: bool = False) -> Rule:
    """A step for each output channel, as fine as its largest weight allows."""

    def rule(layer: Layer, gram: Gram) -> Rounded:
        matrix = layer.matrix()
        steps = per_channel_steps(matrix, limit=limit)
        rows = steps.reshape(*matrix.shape[:2], 1)
        if nearest:
            return Rounded(round_nearest(matrix / rows, limit=limit), steps)
        scaled = gram.target(matrix) / rows
        pairs = zip(scaled, gram.damped(), strict=True)
        return Rounded(np.stack([round_least_squares(s, c, limit=limit) for s, c in pairs]), steps)

    return rule


def priced_bits(allocation: Allocation, level: float, *, price: float) -> Rule:
    """One step for the whole layer, by what its errors cost; and a price on every bit."""

    def rule(layer: Layer, gram: Gram) -> Rounded:
        step = allocation.step(layer.name, level)
        scaled = gram.target(layer.matrix()) / step
        pairs = zip(scaled, gram.damped(), strict=True)
        integers = [
            round_least_squares(s, c, limit=allocation.limit, price=price) for s, c in pairs
        ]
        return Rounded(np.stack(integers), uniform_steps(layer, step))

    return rule


def name_nodes(model: ir.Model) -> None:
    """Gives every node a name, by its first output, so that plans can speak of it."""
    taken: set[str] = set()
    for node in model.graph:
        if not node.name or node.name in taken:
            node.name = str(node.outputs[0].name)
        taken.add(node.name)
