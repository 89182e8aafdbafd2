"""Rounds the weights of a graph layer by layer, each to make good what those before it did."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.layers import Layer, linear_layers
from edgekit.compress.progress import Progress
from edgekit.compress.quantize.gram import Gram, GramCollector
from edgekit.compress.quantize.trellis import Coded
from edgekit.graph.edit import prune_unused, set_constant
from edgekit.graph.observe import Observer


@dataclass(frozen=True)
class Rounded:
    """A layer's weights as integers.

    Attributes:
        integers: int64 `[groups, outputs a group, K]`.
        steps: float64 `[outputs]`, what 1 stands for in each row.
        levels: int64, sorted, the integers that there may be; the indices, where it is coded.
        coded: the integers as a walk through the trellis, for a layer that is stored so.
    """

    integers: Array
    steps: Array
    levels: Array
    coded: Coded | None = None

    @property
    def symbols(self) -> Array:
        """What is stored: the integers, or the indices that stand for them."""
        return self.integers if self.coded is None else self.coded.indices

    @property
    def matrix(self) -> Array:
        """The weights they stand for, `[groups, outputs a group, K]`."""
        groups, rows, _ = self.integers.shape
        return np.asarray(self.integers * self.steps.reshape(groups, rows, 1))


Rule = Callable[[Layer, Gram], Rounded]
"""How one layer is rounded, given the moments of what it reads."""


def round_weights(
    model: ir.Model,
    original: ir.Model,
    tensors: Sequence[Array],
    rule: Rule,
    *,
    names: Sequence[str],
    correct_bias: bool = True,
    progress: Progress,
) -> dict[str, Rounded]:
    """Rounds layers in the order of the graph, in place; they stay float with rounded values.

    Args:
        model: as far as it is compressed already: its activations may be quantised.
        original: the float model, with layers of the same names.
        tensors: unlabelled samples.
        rule: how.
        names: of the layers.
        correct_bias: shift each bias so that the mean of the layer's output stays.
        progress: shows how far this is.
    """
    rounded: dict[str, Rounded] = {}
    originals = {layer.name: layer for layer in linear_layers(original)}
    stages = list(_stages(model, names))
    for layers in progress.track(stages, "rounding weights", total=len(stages)):
        collectors = [GramCollector(layer) for layer in layers]
        source = originals[layers[0].name].input
        pairs = _inputs_of(model, layers[0].input, original, source, tensors)
        for values, wanted in pairs:
            for collector in collectors:
                collector.add(values, wanted)
        for layer, collector in zip(layers, collectors, strict=True):
            gram = collector.gram()
            before = originals[layer.name]
            done = rounded[layer.name] = rule(before, gram)
            set_constant(model, layer.node, 1, layer.shaped(done.matrix))
            if correct_bias and layer.can_have_bias:
                shift = gram.bias_shift(before.matrix(), done.matrix)
                bias = np.zeros(len(shift)) if before.bias is None else before.bias
                set_constant(model, layer.node, 2, (bias + shift).astype(np.float32))
    return rounded


def _stages(model: ir.Model, names: Sequence[str]) -> Iterator[list[Layer]]:
    """The layers, those that read the same value together."""
    wanted = set(names)
    by_input: dict[ir.Value, list[Layer]] = {}
    for layer in linear_layers(model):
        if layer.name in wanted:
            by_input.setdefault(layer.input, []).append(layer)
    yield from by_input.values()


def _inputs_of(
    model: ir.Model,
    value: ir.Value,
    original: ir.Model,
    source: ir.Value,
    tensors: Sequence[Array],
) -> Iterator[tuple[Array, Array]]:
    compressed, plain = _only(model, value), _only(original, source)
    for tensor in tensors:
        yield (
            _as_float(compressed.run(tensor)[str(value.name)]),
            _as_float(plain.run(tensor)[str(source.name)]),
        )


def _only(model: ir.Model, value: ir.Value) -> Observer:
    """Observes one value, and computes nothing behind it."""
    cut = model.clone()
    if not value.is_graph_input():
        found = next(v for node in cut.graph for v in node.outputs if v.name == value.name)
        cut.graph.outputs[:] = [found]
        prune_unused(cut)
    return Observer(cut, [str(value.name)])


def _as_float(values: Array) -> Array:
    return values.astype(np.float32, copy=False)


def per_channel_steps(matrix: Array, *, limit: int) -> Array:
    """The step of each output channel that lets its largest weight be `limit`: `[outputs]`.

    A channel that has no weights has the largest channel's.
    """
    peaks = np.abs(matrix).max(axis=2).reshape(-1)
    return np.where(peaks > 0, peaks, peaks.max() or 1.0) / limit
