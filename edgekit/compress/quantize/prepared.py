"""A model whose activations are quantised: what is the same however its weights are rounded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.layers import linear_layers, name_nodes
from edgekit.compress.progress import Progress
from edgekit.compress.quantize.activations import (
    best_calibrator,
    choose_scales,
    insert_scales,
    observe_ranges,
)
from edgekit.compress.quantize.equalize import channel_peaks, equalize
from edgekit.compress.quantize.half import store_in_half
from edgekit.compress.quantize.islands import shield_float_layers
from edgekit.compress.quantize.planning import plan_activations
from edgekit.compress.quantize.ranges import Calibrator
from edgekit.compress.quantize.rounding import entropy_bytes
from edgekit.compress.quantize.storage import store_weights
from edgekit.compress.quantize.weights import Rounded, Rule, round_weights
from edgekit.compress.sensitivity import answers_of, change_between
from edgekit.compress.steps import Precision
from edgekit.errors import UnsupportedModel


@dataclass(frozen=True)
class Draft:
    """A model with rounded weights that are still floats.

    Attributes:
        model: the draft.
        rounded: the integers that its weights are, by layer name.
    """

    model: ir.Model
    rounded: Mapping[str, Rounded]

    @property
    def entropy(self) -> float:
        """What the stored integers take by their frequencies, in bytes."""
        return sum(entropy_bytes(layer.symbols) for layer in self.rounded.values())


@dataclass(frozen=True)
class Prepared:
    """A model with quantised activations and float weights.

    Attributes:
        original: the float model, its channels equalised.
        model: the same with Quantize/Dequantize pairs.
        inputs: the scale of what each layer to round reads, by the layer's name.
        keep: the other layers, by name, with what their weights are stored in.
    """

    original: ir.Model
    model: ir.Model
    inputs: Mapping[str, float]
    keep: Mapping[str, Precision]

    def draft(self, rule: Rule, tensors: Sequence[Array], progress: Progress) -> Draft:
        """Rounds the weights."""
        model = self.model.clone()
        rounded = round_weights(
            model, self.original, tensors, rule, names=tuple(self.inputs), progress=progress
        )
        return Draft(model, rounded)

    def finished(self, draft: Draft) -> ir.Model:
        """A draft with its weights as integers."""
        made = draft.model.clone()
        store_weights(made, draft.rounded, self.inputs)
        for name, precision in self.keep.items():
            if precision == "fp16":
                store_in_half(made, name)
        shield_float_layers(made)
        return made

    def without_weights(self) -> ir.Model:
        """As if every weight were 0: what is left is what the file has besides."""
        rounded = {
            layer.name: Rounded(
                np.zeros(layer.matrix().shape, np.int64), np.ones(layer.outputs), np.zeros(1, int)
            )
            for layer in linear_layers(self.model)
            if layer.name in self.inputs
        }
        return self.finished(Draft(self.model, rounded))

    def change(self, draft: Draft, tensors: Sequence[Array]) -> float:
        """What a draft does to the answer, as `change_between` measures it."""
        return change_between(answers_of(self.original, tensors), answers_of(draft.model, tensors))


def prepare_model(
    model: ir.Model,
    tensors: Sequence[Array],
    *,
    keep: Mapping[str, Precision],
    calibrator: Calibrator | None,
    equalization: float,
    seed: int,
    progress: Progress,
) -> Prepared:
    """Equalises channels and quantises activations; see `quantize` for the settings.

    Raises:
        UnsupportedModel: there is no layer to quantise, or `keep` names one that is not there.
    """
    original = model.clone()
    name_nodes(original)
    unknown = sorted(set(keep) - {layer.name for layer in linear_layers(original)})
    if unknown:
        raise UnsupportedModel(f"has no layer {unknown[0]!r} to keep")
    if equalization:
        equalize(original, channel_peaks(original, tensors, progress), strength=equalization)
    quantized = original.clone()
    plan = plan_activations(quantized, keep=frozenset(keep))
    layers = [layer for layer in linear_layers(quantized) if layer.node.name in plan.nodes]
    if not layers:
        raise UnsupportedModel("has no layer with constant weights to quantise")
    ranges = observe_ranges(quantized, plan, tensors, progress=progress, seed=seed)
    if calibrator is None:
        calibrator = best_calibrator(quantized, plan, ranges, tensors, progress=progress)
    scales = choose_scales(plan, ranges, calibrator)
    inputs = {layer.name: scales[str(layer.input.name)][-1].scale for layer in layers}
    insert_scales(quantized, plan, scales)
    return Prepared(original, quantized, inputs, keep)
