"""What is done to make a model slimmer, and what it then costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.factorize.factoring import Rank
from edgekit.compress.layers import linear_layers
from edgekit.compress.prune.channels import Channels, Group
from edgekit.compress.prune.tracing import shape_of
from edgekit.errors import UnsupportedModel


@dataclass(frozen=True)
class Slimming:
    """What is done to a model; the empty one does nothing.

    Attributes:
        kept: how many channels of a group stay, by the group's name.
        ranks: how a layer is split in two, by the name of its output.
        pooled: the layers, by the names of their outputs, that come after the global pool which
            they were before.
    """

    kept: Mapping[str, int] = field(default_factory=dict)
    ranks: Mapping[str, Rank] = field(default_factory=dict)
    pooled: frozenset[str] = frozenset()

    def __or__(self, other: "Slimming") -> "Slimming":
        """Both; where both speak of the same, the other has its way."""
        return Slimming(
            {**self.kept, **other.kept}, {**self.ranks, **other.ranks}, self.pooled | other.pooled
        )

    def lines(self) -> list[str]:
        """What is done, for people."""
        return [
            *(f"{name}: after the pool instead of before it" for name in sorted(self.pooled)),
            *(f"{name}: {count} channels stay" for name, count in self.kept.items()),
            *(
                f"{name}: two layers with {rank.channels} channels between them"
                for name, rank in self.ranks.items()
            ),
        ]


@dataclass(frozen=True)
class _Cost:
    """One layer: how it grows with its channels."""

    positions: int
    inputs: int
    outputs: int
    kernel: tuple[int, ...]
    reads: Array
    makes: Array


class Costs:
    """Counts the multiply-accumulates of a model after any slimming, without doing it.

    Raises:
        UnsupportedModel: a shape of the model is not known.
    """

    def __init__(self, model: ir.Model, channels: Channels, groups: list[Group]) -> None:
        self._sizes = {group.name: len(group.units) for group in groups}
        member = {int(unit): place for place, group in enumerate(groups) for unit in group.units}
        shares: dict[tuple[str, str], Array] = {}
        for piece in channels.slices:
            if piece.input_index == 1:
                name = str(piece.node.outputs[0].name)
                parts = [member.get(int(unit), len(groups)) for unit in channels.roots(piece.units)]
                counts = np.bincount(parts, minlength=len(groups) + 1)
                kind = "reads" if piece.role.name == "READS" else "makes"
                shares[name, kind] = counts / counts.sum()
        whole = np.zeros(len(groups) + 1)
        whole[-1] = 1.0
        self._layers: dict[str, _Cost] = {}
        for layer in linear_layers(model):
            name, shape = str(layer.output.name), shape_of(layer.output)
            if shape is None:
                raise UnsupportedModel(f"the shape of {name!r} is not known")
            outputs = layer.outputs
            self._layers[name] = _Cost(
                positions=int(np.prod(shape)) // outputs,
                inputs=layer.weights.shape[1] if layer.is_conv else layer.matrix().shape[2],
                outputs=outputs,
                kernel=layer.weights.shape[2:] if layer.is_conv else (),
                reads=shares.get((name, "reads"), whole),
                makes=shares.get((name, "makes"), whole),
            )

    def macs(self, slimming: Slimming) -> float:
        """Multiply-accumulates of Conv, Gemm and MatMul for one run."""
        shares = self._shares(slimming)
        return sum(self._of(name, slimming, shares) for name in self._layers)

    def share(self, name: str) -> float:
        """One layer's part of all."""
        nothing = Slimming()
        return self._of(name, nothing, self._shares(nothing)) / self.macs(nothing)

    def _shares(self, slimming: Slimming) -> Array:
        """The share of each group that stays, and of what stays anyway."""
        left = [slimming.kept.get(name, size) / size for name, size in self._sizes.items()]
        return np.array([*left, 1.0])

    def _of(self, name: str, slimming: Slimming, shares: Array) -> float:
        cost, rank = self._layers[name], slimming.ranks.get(name)
        inputs = cost.inputs * float(cost.reads @ shares)
        outputs = cost.outputs * float(cost.makes @ shares)
        if rank is None:
            each = inputs * outputs * float(np.prod(cost.kernel))
        else:
            each = rank.macs(inputs, outputs, cost.kernel)
        return each * (1 if name in slimming.pooled else cost.positions)
