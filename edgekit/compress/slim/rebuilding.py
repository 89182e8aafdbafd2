"""Does a slimming to a model, and fits every layer that follows to what it should answer."""

from collections.abc import Iterator, Mapping, Sequence, Set

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.factorize.factoring import Factors, factored
from edgekit.compress.factorize.splitting import split_layer
from edgekit.compress.layers import Layer, linear_layers
from edgekit.compress.progress import Progress
from edgekit.compress.prune.channels import Channels, Role
from edgekit.compress.prune.choosing import Chosen
from edgekit.compress.prune.cutting import cut, is_kept
from edgekit.compress.prune.moments import moments_of
from edgekit.compress.prune.regression import bias_for, refitted
from edgekit.compress.prune.tracing import trace
from edgekit.compress.slim.early_pool import pool_early
from edgekit.compress.slim.slimming import Slimming
from edgekit.graph.edit import prune_unused, set_constant
from edgekit.graph.observe import Observer
from edgekit.graph.shapes import infer_shapes


def rebuilt(
    model: ir.Model,
    tensors: Sequence[Array],
    slimming: Slimming,
    chosen: Chosen,
    importance: Mapping[str, Array],
    *,
    progress: Progress,
) -> ir.Model:
    """A new model that is slimmer and answers as nearly as it can like the given one.

    Layer by layer in the order in which they run, each is fitted by least squares to what it
    answered in the original, reading what the slimmer network gives it, so that it makes good what
    it can of the errors before it (He et al., 2017, arXiv:1707.06168, section 3.2; asymmetric as
    in Zhang et al., 2015, arXiv:1505.06798).

    Args:
        model: left as it is.
        tensors: samples to fit with.
        slimming: the ranks and pools.
        chosen: the channels that go, and the weights from which their readers are fitted.
        importance: of each output of the layers that are split in two.
        progress: shows how far this is.
    """
    smaller = cut(_with_weights(model, chosen.weights), chosen.units)
    rows = _kept_rows(trace(model), chosen.units)
    factors: dict[str, Factors] = {}
    stages = list(_stages(smaller, {*rows, *slimming.ranks}, always=set(slimming.ranks)))
    for stage in progress.track(stages, "fitting layers", total=len(stages)):
        halves = moments_of(stage, _runs(model, smaller, stage, rows, tensors))
        for layer in stage:
            name = str(layer.output.name)
            has_bias = layer.node.op_type != "MatMul"
            weights, bias = refitted(halves[name], layer.matrix(), has_bias=has_bias)
            if name in slimming.ranks:
                whole = halves[name][0] + halves[name][1]
                matters = importance[name][rows.get(name, slice(None))]
                factors[name] = factored(
                    layer, weights[0], whole.second()[0], matters, slimming.ranks[name]
                )
                weights = factors[name].matrix[np.newaxis]
                bias = bias_for(whole, weights) if has_bias else bias
            set_constant(smaller, layer.node, 1, layer.shaped(weights).astype(layer.weights.dtype))
            if has_bias:
                set_constant(smaller, layer.node, 2, bias.reshape(-1).astype(layer.weights.dtype))
    for layer in linear_layers(smaller):
        if layer.output.name in factors:
            split_layer(smaller, layer, factors[layer.output.name])
    for name in sorted(slimming.pooled):
        pool_early(smaller, name)
    prune_unused(smaller)
    return infer_shapes(smaller)


def _with_weights(model: ir.Model, weights: Mapping[str, Array]) -> ir.Model:
    changed = model.clone()
    for layer in linear_layers(changed):
        matrix = weights.get(str(layer.output.name))
        if matrix is not None:
            numbers = layer.shaped(matrix).astype(layer.weights.dtype)
            set_constant(changed, layer.node, 1, numbers)
    return changed


def _kept_rows(channels: Channels, units: Set[int]) -> dict[str, Array]:
    """Which outputs of a layer stay, of each layer that loses some."""
    rows = {}
    for piece in channels.slices:
        if piece.input_index == 1 and piece.role is not Role.READS:
            kept = is_kept(channels, piece.units, units)
            if not kept.all():
                rows[str(piece.node.outputs[0].name)] = kept
    return rows


def _stages(model: ir.Model, changed: Set[str], *, always: Set[str]) -> Iterator[list[Layer]]:
    """The layers to be fitted, in order; neighbours that read the same value at once.

    Those are the ones that read something that changed, and `always` some more.
    """
    layers = {layer.node: layer for layer in linear_layers(model)}
    touched: set[ir.Value] = set()
    stage: list[Layer] = []
    for node in model.graph:
        layer = layers.get(node)
        name = None if layer is None else str(layer.output.name)
        if name in changed or any(value in touched for value in node.inputs):
            touched.update(node.outputs)
        if layer is None or not (layer.input in touched or name in always):
            continue
        if stage and stage[0].input is not layer.input:
            yield stage
            stage = []
        stage.append(layer)
    if stage:
        yield stage


def _runs(
    original: ir.Model,
    smaller: ir.Model,
    layers: Sequence[Layer],
    rows: Mapping[str, Array],
    tensors: Sequence[Array],
) -> Iterator[tuple[dict[str, Array], dict[str, Array]]]:
    """Of each sample: what the layers read now, and what those outputs were that are left."""
    axes = {str(layer.output.name): 1 if layer.is_conv else -1 for layer in layers}
    before = Observer(original, list(axes))
    after = Observer(smaller, sorted({str(layer.input.name) for layer in layers}))
    for tensor in tensors:
        was = before.run(tensor)
        for name, kept in rows.items():
            if name in axes:
                was[name] = np.compress(kept, was[name], axis=axes[name])
        yield after.run(tensor), was
