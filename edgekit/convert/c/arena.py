"""Gives each tensor its place in one block of memory, and lets tensors share what time allows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Lifetime:
    """From the step that writes a tensor to the last that reads it, both included."""

    size: int
    first: int
    last: int

    def meets(self, other: "Lifetime") -> bool:
        """Whether there is a step at which both are needed."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Arena:
    """Where each tensor lies, and how large the block is, both in elements."""

    offsets: Mapping[int, int]
    size: int


def plan(lifetimes: Mapping[int, Lifetime]) -> Arena:
    """Places the largest first, each at the lowest offset that is free for as long as it lives.

    Greedy by size: Pisarchyk and Lee, 2020, arXiv:2001.03288.
    """
    offsets: dict[int, int] = {}
    order = sorted(lifetimes, key=lambda name: (-lifetimes[name].size, lifetimes[name].first, name))
    for name in order:
        life = lifetimes[name]
        taken = sorted(
            (offsets[other], offsets[other] + lifetimes[other].size)
            for other in offsets
            if lifetimes[other].meets(life)
        )
        offsets[name] = _lowest(taken, life.size)
    size = max((offset + lifetimes[name].size for name, offset in offsets.items()), default=0)
    return Arena(offsets, size)


def _lowest(taken: Sequence[tuple[int, int]], size: int) -> int:
    offset = 0
    for begin, end in taken:
        if offset + size <= begin:
            break
        offset = max(offset, end)
    return offset
