"""Which channels of a graph are one: they can only be taken away together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import onnx_ir as ir

from edgekit.array import Array


class Role(Enum):
    """What a constant's axis is to the channels that run along it."""

    MAKES = "a layer's outputs"
    READS = "a layer's inputs"
    FOLLOWS = "one number a channel: a bias, a norm, a depthwise kernel"


@dataclass(frozen=True)
class Slice:
    """A constant with one entry a channel along one of its axes.

    Attributes:
        node: what reads the constant.
        input_index: as which of its inputs.
        axis: the constant's axis.
        units: int `[entries]`: which unit each entry belongs to.
        role: what the entries are.
    """

    node: ir.Node
    input_index: int
    axis: int
    units: Array
    role: Role


@dataclass(frozen=True)
class Sizes:
    """A number in a node that counts channels, and has to be counted again when some go.

    Attributes:
        node: the node.
        kind: what is counted: `group` of a depthwise Conv, `split` of a Split, `shape` of a
            Reshape, `sizes` of a Resize.
        axis: the axis of the first output along which the channels lie.
        parts: the units of each counted run.
    """

    node: ir.Node
    kind: str
    axis: int
    parts: Sequence[Array]


@dataclass(frozen=True)
class Group:
    """Units that the same layers make: how many of them stay is one decision.

    Attributes:
        name: the layers that make them.
        units: int `[channels]`.
        makers: the weights whose rows they are.
        readers: the weights whose columns they are.
    """

    name: str
    units: Array
    makers: tuple[Slice, ...]
    readers: tuple[Slice, ...]


@dataclass
class Channels:
    """The channels of every value, and what is bound to them.

    A *unit* is a channel together with every other channel that has to go when it goes: the
    operands of an Add, the same place in each group of a grouped Conv.
    """

    slices: list[Slice] = field(default_factory=list)
    sizes: list[Sizes] = field(default_factory=list)
    _parents: list[int] = field(default_factory=list)
    _fixed: dict[int, str] = field(default_factory=dict)

    def new(self, count: int) -> Array:
        """Fresh units, int `[count]`."""
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return np.arange(first, first + count)

    def tie(self, some: Array, others: Array) -> None:
        """Makes units at the same place one."""
        for a, b in zip(some, others, strict=True):
            low, high = sorted((self._root(int(a)), self._root(int(b))))
            self._parents[high] = low

    def fix(self, units: Iterable[int], reason: str) -> None:
        """Says that these cannot go, and why; the first reason stands."""
        for unit in units:
            self._fixed.setdefault(int(unit), reason)

    def roots(self, units: Array) -> Array:
        """The one name of each unit."""
        return np.array([self._root(int(unit)) for unit in units], dtype=np.int64)

    def fixed(self) -> dict[int, str]:
        """The units that cannot go, and why."""
        reasons: dict[int, str] = {}
        for unit, reason in self._fixed.items():
            reasons.setdefault(self._root(unit), reason)
        return reasons

    def groups(self) -> list[Group]:
        """What can be pruned, in the order in which it is made.

        Units in the same places are a group, so that a value keeps a channel if every group does.
        """
        fixed = self.fixed()
        makers, readers = self._bound(Role.MAKES), self._bound(Role.READS)
        counted = self._places(enumerate(part for sizes in self.sizes for part in sizes.parts))
        members: dict[tuple[tuple[int, ...], ...], list[int]] = {}
        for unit, places in makers.items():
            if unit not in fixed and unit in readers:
                where = (tuple(places), tuple(readers[unit]), tuple(counted.get(unit, ())))
                members.setdefault(where, []).append(unit)
        names: Counter[str] = Counter()
        found = []
        for (made, read, _), units in members.items():
            name = " + ".join(layer_name(self.slices[place].node) for place in made)
            names[name] += 1
            found.append(
                Group(
                    name=name if names[name] == 1 else f"{name} #{names[name]}",
                    units=np.array(sorted(units)),
                    makers=tuple(self.slices[place] for place in made),
                    readers=tuple(self.slices[place] for place in read),
                )
            )
        return found

    def declined(self) -> dict[str, str]:
        """The layers whose outputs all have to stay, each with the reason."""
        fixed, found = self.fixed(), {}
        for piece in self.slices:
            if piece.role is Role.MAKES:
                reasons = [fixed.get(unit) for unit in self.roots(piece.units)]
                if all(reasons):
                    found[layer_name(piece.node)] = str(reasons[0])
        return found

    def _bound(self, role: Role) -> dict[int, list[int]]:
        """The places in `slices` of each unit in a role."""
        return self._places(
            (place, piece.units) for place, piece in enumerate(self.slices) if piece.role is role
        )

    def _places(self, runs: Iterable[tuple[int, Array]]) -> dict[int, list[int]]:
        """In which runs each unit is."""
        places: dict[int, list[int]] = {}
        for place, units in runs:
            for unit in np.unique(self.roots(units)):
                places.setdefault(int(unit), []).append(place)
        return places

    def _root(self, unit: int) -> int:
        while self._parents[unit] != unit:
            self._parents[unit] = self._parents[self._parents[unit]]
            unit = self._parents[unit]
        return unit


def layer_name(node: ir.Node) -> str:
    """The node's name, or its output's where it has none."""
    return str(node.name or node.outputs[0].name)
