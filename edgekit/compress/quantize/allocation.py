"""Gives each layer the step at which a bit buys as much accuracy as in any other.

With error feedback a step D in a layer costs ``G / 2 * s * D^2 / 12`` a weight, where G is the
sensitivity of the answer to the layer's outputs and s the geometric mean of the conditional
variances of its inputs, and a bit a weight halves D. The least total cost at a given size has the
same cost a weight everywhere: D^2 proportional to 1 / (G s), the reverse water-filling of
rate-distortion theory (Cover and Thomas, 2006, "Elements of Information Theory", 10.3.3).
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
    conditional_variances,
    entropy_bytes,
    every_level,
    round_nearest,
)
from edgekit.graph.observe import Observer

_PROBES = 16


@dataclass(frozen=True)
class Allocation:
    """The cost of a layer's step, up to the one factor that all layers share.

    Attributes:
        costs: ``G s`` by layer name.
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
    sensitivities: Mapping[str, Array],
    *,
    names: Sequence[str],
    limit: int,
    progress: Progress,
) -> Allocation:
    """Looks at what each layer reads, and how much its answer matters.

    Args:
        model: a float model.
        tensors: unlabelled samples; a few are enough.
        sensitivities: as `output_sensitivities` gives them.
        names: of the layers.
        limit: the largest integer.
        progress: shows how far this is.
    """
    layers = [layer for layer in linear_layers(model) if layer.name in set(names)]
    probes = tensors[:: max(1, len(tensors) // _PROBES)]
    floor = max(float(np.mean(values)) for values in sensitivities.values()) * 1e-9
    costs: dict[str, float] = {}
    for layer in progress.track(layers, "weighing layers", total=len(layers)):
        observer = Observer(model, [str(layer.input.name)])
        collector = GramCollector(layer)
        for tensor in probes:
            values = observer.run(tensor)[str(layer.input.name)].astype(np.float32, copy=False)
            collector.add(values, values)
        weight = max(float(np.mean(sensitivities[layer.name])), floor)
        costs[layer.name] = weight * _spread(collector.gram())
    return Allocation(costs, {layer.name: layer.matrix() for layer in layers}, limit)


def _spread(gram: Gram) -> float:
    """The geometric mean of the conditional variances, over groups and columns."""
    logs = [np.log(conditional_variances(covariance)) for covariance in gram.damped()]
    return float(np.exp(np.mean(logs)))


def uniform_steps(layer: Layer, step: float) -> Array:
    """The same step for every output: `[outputs]`."""
    return np.full(layer.outputs, step)
