"""Measures what each way to make a model slimmer does to its answer, alone."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.factorize.factoring import Rank, factored, ways
from edgekit.compress.layers import Layer
from edgekit.compress.prune.channels import Group
from edgekit.compress.prune.choosing import Chooser
from edgekit.compress.prune.moments import Moments
from edgekit.compress.slim.allocation import Option
from edgekit.compress.slim.damage import Damage
from edgekit.compress.slim.early_pool import late_pools, pool_early
from edgekit.compress.slim.slimming import Slimming

_RUNGS = (7 / 8, 3 / 4, 5 / 8, 1 / 2, 3 / 8, 1 / 4)
_HOPELESS = 1.0
_GAIN = 0.9
"""A layer is split in two only where that saves at least a tenth of it."""


@dataclass(frozen=True)
class Bench:
    """A model whose weights are changed for a moment, to see what that does.

    Attributes:
        model: its weights are put back.
        layers: the model's, by the names of their outputs.
        moments: of the layers.
        importance: of each output of the layers.
        damage: what is measured.
        multiple: counts are multiples of this where possible.
    """

    model: ir.Model
    layers: Mapping[str, Layer]
    moments: Mapping[str, Moments]
    importance: Mapping[str, Array]
    damage: Damage
    multiple: int

    def channels(self, group: Group, chooser: Chooser) -> Iterator[Option]:
        """Fewer and fewer channels of a group, until the answer is lost."""
        counts = rungs(len(group.units), self.multiple)
        for count, chosen in zip(counts, chooser.ladder(group, counts), strict=True):
            with self._changed(chosen.weights):
                damage = self.damage.of(self.model)
            yield Option(Slimming(kept={group.name: count}), damage)
            if damage > _HOPELESS:
                return

    def ranks(self, name: str) -> Iterator[Option]:
        """Fewer and fewer channels between the two layers that a layer can be split into."""
        layer, moments = self.layers[name], self.moments[name]
        matrix, covariance = layer.matrix()[0], moments.second()[0]
        kernel = layer.weights.shape[2:] if layer.is_conv else ()
        inputs = matrix.shape[1] // int(np.prod(kernel))
        for way in ways(layer):
            break_even = matrix.size / Rank(way, 1).macs(inputs, len(matrix), kernel)
            for count in rungs(round(break_even), self.multiple):
                if count > _GAIN * break_even:
                    continue
                rank = Rank(way, count)
                factors = factored(layer, matrix, covariance, self.importance[name], rank)
                with self._changed({name: factors.matrix[np.newaxis]}):
                    damage = self.damage.of(self.model)
                yield Option(Slimming(ranks={name: rank}), damage)
                if damage > _HOPELESS:
                    break

    def pools(self) -> Iterator[Option]:
        """Each pool that could come before its layer."""
        for name in late_pools(self.model):
            moved = pool_early(self.model.clone(), name)
            yield Option(Slimming(pooled=frozenset({name})), self.damage.of(moved))

    @contextmanager
    def _changed(self, weights: Mapping[str, Array]) -> Iterator[None]:
        """Some layers with other weights, and biases that keep their mean answer."""
        before: list[tuple[ir.Value, ir.TensorProtocol | None]] = []
        try:
            for name, matrix in weights.items():
                layer = self.layers[name]
                change = layer.matrix() - matrix
                shift = np.einsum("gok,gk->go", change, self.moments[name].mean)
                bias = layer.bias
                before.append(_swapped(layer, 1, layer.shaped(matrix)))
                if bias is not None:
                    before.append(_swapped(layer, 2, bias + shift.reshape(-1)))
            yield
        finally:
            for value, tensor in reversed(before):
                value.const_value = tensor


def rungs(size: int, multiple: int) -> list[int]:
    """Counts below `size`, from many to few, multiples where that leaves any."""
    counts: list[int] = []
    for share in _RUNGS:
        count = round(size * share / multiple) * multiple or max(1, round(size * share))
        if count < size and count not in counts:
            counts.append(count)
    return counts


def _swapped(layer: Layer, index: int, numbers: Array) -> tuple[ir.Value, ir.TensorProtocol | None]:
    """Gives a constant other numbers; says which it was and what it held."""
    value = layer.node.inputs[index]
    assert value is not None
    held = value.const_value
    assert held is not None
    data = np.broadcast_to(numbers.reshape(-1), held.size) if numbers.ndim == 1 else numbers
    data = data.reshape(held.shape.numpy()).astype(held.dtype.numpy())
    value.const_value = ir.tensor(np.ascontiguousarray(data), name=value.name)
    return value, held
