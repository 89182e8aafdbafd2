"""Gives each layer the step at which a bit buys as much accuracy as in any other.

With error feedback a step D costs a layer of N weights ``c N D^2 / 24`` in divergence of the
answer, and a bit a weight halves D. The least total cost at a given size has the same cost a weight
everywhere: D^2 proportional to 1 / c, the reverse water-filling of rate-distortion theory (Cover
and Thomas, 2006, "Elements of Information Theory", 10.3.3). The cost is measured, one rounded layer
at a time: curvature says too little of layers whose errors are alike all over a picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.layers import Layer, linear_layers
from edgekit.compress.progress import Progress
from edgekit.compress.quantize.gram import Gram, GramCollector
from edgekit.compress.quantize.rounding import (
    entropy_bytes,
    every_level,
    round_least_squares,
    round_nearest,
)
from edgekit.compress.sensitivity import answers_of, change_between
from edgekit.graph.observe import Observer

_ASKED = 40
_PROBES = 16
_COARSE = 0.6
"""The step that is tried, in deviations of the weights: about 2.8 bits."""
_NOISE = 1e-7


@dataclass(frozen=True)
class Allocation:
    """The cost of a layer's step, up to the one factor that all layers share.

    Attributes:
        costs: c by layer name.
        matrices: the weights by layer name, `[groups, outputs a group, K]`.
        limit: the largest integer.
    """

    costs: Mapping[str, float]
    matrices: Mapping[str, Array]
    limit: int

    @property
    def levels(self) -> Array:
        """Every integer that there may be."""
        return every_level(self.limit)

    def step(self, name: str, level: float) -> float:
        """A layer's step at a level of cost: no finer than its largest weight allows."""
        finest = max(float(np.abs(self.matrices[name]).max()), 1e-12) / self.limit
        return max(float(np.sqrt(level / self.costs[name])), finest)

    def is_finest(self, level: float) -> bool:
        """Whether no layer can have a finer step."""
        return all(self.step(name, level) == self.step(name, 0.0) for name in self.costs)

    def bytes_at(self, level: float) -> float:
        """About how many bytes the weights will have."""
        return sum(
            entropy_bytes(round_nearest(matrix / self.step(name, level), self.levels))
            for name, matrix in self.matrices.items()
        )

    def level_for(self, size_bytes: float) -> float:
        """The level at which the weights have about so many bytes."""
        low, high = -40.0, 10.0
        for _ in range(40):
            middle = (low + high) / 2
            if self.bytes_at(10.0**middle) > size_bytes:
                low = middle
            else:
                high = middle
        return float(10.0 ** ((low + high) / 2))

    def moved(self, level: float, *, factor: float) -> float:
        """The level at which the weights have `factor` times the bytes they have at `level`."""
        return self.level_for(self.bytes_at(level) * factor)


def allocate(
    model: ir.Model,
    tensors: Sequence[Array],
    *,
    names: Sequence[str],
    limit: int,
    progress: Progress,
) -> Allocation:
    """Rounds one layer at a time, coarsely, and looks at what that does to the answer.

    Args:
        model: a float model; left as it is.
        tensors: unlabelled samples.
        names: of the layers.
        limit: the largest integer.
        progress: shows how far this is.
    """
    layers = [layer for layer in linear_layers(model) if layer.name in set(names)]
    asked = tensors[:: max(1, len(tensors) // _ASKED)]
    was = answers_of(model, asked)
    costs: dict[str, float] = {}
    for layer in progress.track(layers, "weighing layers", total=len(layers)):
        matrix = layer.matrix()
        step = max(float(matrix.std()), 1e-12) * _COARSE
        levels = every_level(limit)
        damped = _gram(model, layer, asked[:_PROBES]).damped
        integers = [
            round_least_squares(rows / step, covariance, levels)
            for rows, covariance in zip(matrix, damped, strict=True)
        ]
        is_now = _answers_with(model, layer, np.stack(integers) * step, asked)
        change = max(change_between(was, is_now), _NOISE)
        costs[layer.name] = 24 * change / (matrix.size * step**2)
    return Allocation(costs, {layer.name: layer.matrix() for layer in layers}, limit)


def _gram(model: ir.Model, layer: Layer, tensors: Sequence[Array]) -> Gram:
    observer = Observer(model, [str(layer.input.name)])
    collector = GramCollector(layer)
    for tensor in tensors:
        values = observer.run(tensor)[str(layer.input.name)].astype(np.float32, copy=False)
        collector.add(values, values)
    return collector.gram()


def _answers_with(
    model: ir.Model, layer: Layer, matrix: Array, tensors: Sequence[Array]
) -> list[Array]:
    """What the model answers with other weights in one layer."""
    value = layer.node.inputs[1]
    assert value is not None
    kept = value.const_value
    value.const_value = ir.tensor(
        layer.shaped(matrix).astype(np.float32, order="C"), name=value.name
    )
    try:
        return answers_of(model, tensors)
    finally:
        value.const_value = kept


def uniform_steps(layer: Layer, step: float) -> Array:
    """The same step for every output: `[outputs]`."""
    return np.full(layer.outputs, step)
