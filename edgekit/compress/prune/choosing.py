"""Chooses which channels go, by what their readers lose."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.compress.layers import Layer
from edgekit.compress.prune.channels import Channels, Group, Slice
from edgekit.compress.prune.elimination import Elimination
from edgekit.compress.prune.moments import Moments

_DAMPING = 0.01


@dataclass(frozen=True)
class Chosen:
    """Channels that go, and what their readers' weights are then.

    Attributes:
        units: that go.
        weights: float64 `[groups, outputs, inputs]` of each reader by its output's name, zero
            where an input goes.
    """

    units: frozenset[int]
    weights: Mapping[str, Array]


class Chooser:
    """Takes channels out of groups, the one whose readers lose least first.

    Args:
        channels: of the model.
        layers: the model's, by the names of their outputs.
        moments: of every reader.
        importance: how much a squared error of each output of a reader matters.
    """

    def __init__(
        self,
        channels: Channels,
        layers: Mapping[str, Layer],
        moments: Mapping[str, Moments],
        importance: Mapping[str, Array],
    ) -> None:
        self._channels = channels
        self._layers = layers
        self._moments = moments
        self._importance = importance

    def ladder(self, group: Group, counts: Sequence[int]) -> Iterator[Chosen]:
        """Fewer and fewer channels of one group: `counts` that stay, from many to few."""
        readers = self._readers([group])
        units = {int(unit) for unit in group.units}
        left = set(units)
        for count in counts:
            while len(left) > count:
                left.remove(self._take(left, readers))
            yield _chosen(units - left, readers)

    def choose(self, kept: Sequence[tuple[Group, int]]) -> Chosen:
        """As many channels as each group keeps, the losses of all readers seen together."""
        shrinking = [(group, count) for group, count in kept if count < len(group.units)]
        readers = self._readers([group for group, _ in shrinking])
        left = [({int(unit) for unit in group.units}, count) for group, count in shrinking]
        gone: set[int] = set()
        while candidates := set().union(*(own for own, count in left if len(own) > count)):
            unit = self._take(candidates, readers)
            gone.add(unit)
            for own, _ in left:
                own.discard(unit)
        return _chosen(gone, readers)

    def _take(self, candidates: set[int], readers: Mapping[str, list[Elimination]]) -> int:
        losses = dict.fromkeys(sorted(candidates), 0.0)
        for part in itertools.chain(*readers.values()):
            for block, loss in part.losses().items():
                if block in losses:
                    losses[block] += loss
        unit = min(losses, key=losses.__getitem__)
        for part in itertools.chain(*readers.values()):
            part.remove(unit)
        return unit

    def _readers(self, groups: Sequence[Group]) -> dict[str, list[Elimination]]:
        """Every reader of some groups, with the columns of their units."""
        units = {int(unit) for group in groups for unit in group.units}
        pieces = {
            str(piece.node.outputs[0].name): piece for group in groups for piece in group.readers
        }
        return {name: self._reader(name, piece, units) for name, piece in pieces.items()}

    def _reader(self, name: str, piece: Slice, units: set[int]) -> list[Elimination]:
        matrix, moments = self._layers[name].matrix(), self._moments[name]
        taps = matrix.shape[2] // len(piece.units)
        columns: dict[int, list[int]] = {}
        for column, unit in enumerate(np.repeat(self._channels.roots(piece.units), taps)):
            if int(unit) in units:
                columns.setdefault(int(unit), []).append(column)
        importance = self._importance[name].reshape(matrix.shape[:2])
        return [
            Elimination(covariance, weights, own, columns, damping=_DAMPING)
            for covariance, weights, own in zip(moments.second(), matrix, importance, strict=True)
        ]


def _chosen(units: set[int], readers: Mapping[str, list[Elimination]]) -> Chosen:
    return Chosen(
        frozenset(units),
        {name: np.stack([part.weights for part in parts]) for name, parts in readers.items()},
    )
