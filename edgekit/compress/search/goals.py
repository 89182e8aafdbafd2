"""What a search is to reach, and how a candidate is judged by it."""

from typing import Annotated

import msgspec

from edgekit.compress.measure import Against
from edgekit.compress.recipe import Gates
from edgekit.compress.statistics import Difference
from edgekit.compress.steps import Share, Size, size_in_bytes


class Goals(msgspec.Struct, frozen=True, kw_only=True):
    """What the artifact must hold; at least one.

    Attributes:
        size: the most bytes the model file may travel with.
        max_drop: the most points of top-1 accuracy that may be lost, beyond chance.
        latency: the most time for one sample, as a share of the original's.
        agreement: the least share of samples that get the original's answer.
    """

    size: Size | None = None
    max_drop: Annotated[float, msgspec.Meta(ge=0)] | None = None
    latency: Annotated[float, msgspec.Meta(gt=0)] | None = None
    agreement: Share | None = None

    @property
    def size_bytes(self) -> int | None:
        """`size` as a number."""
        return None if self.size is None else size_in_bytes(self.size)

    def gates(self, gates: Gates) -> Gates:
        """A recipe's gates, with the goals among them."""
        goals = {
            "size": self.size,
            "top1_drop": self.max_drop,
            "latency": self.latency,
            "agreement": self.agreement,
        }
        given = {name: goal for name, goal in goals.items() if goal is not None}
        return msgspec.structs.replace(gates, **given)

    def is_accurate(self, result: "Result") -> bool:
        """Whether a candidate holds the goals of accuracy."""
        if self.agreement is not None and result.agreement < self.agreement:
            return False
        return (
            self.max_drop is None
            or result.top1 is None
            or (-result.top1.high * 100 <= self.max_drop)
        )

    def is_small(self, result: "Result") -> bool:
        """Whether a candidate holds the goal of size."""
        return self.size_bytes is None or result.size_bytes <= self.size_bytes

    def is_fast(self, result: "Result") -> bool:
        """Whether a candidate holds the goal of latency."""
        return self.latency is None or result.latency <= self.latency

    def are_met(self, result: "Result") -> bool:
        """Whether a candidate holds all of them."""
        return self.is_accurate(result) and self.is_small(result) and self.is_fast(result)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate's figures.

    Where a recipe writes several formats, the worst of each: all of them go to boards.
    """

    size_bytes: int
    agreement: float
    kl: float | None
    top1: Difference | None
    latency: float

    @classmethod
    def of(cls, artifacts: tuple[Against, ...]) -> "Result":
        """The figures of a candidate's artifacts."""
        measured = [artifact.measured for artifact in artifacts]
        kls = [one.kl for one in measured if one.kl is not None]
        tops = [artifact.top1 for artifact in artifacts if artifact.top1 is not None]
        return cls(
            size_bytes=max(one.travels_bytes or one.size_bytes for one in measured),
            agreement=min(one.agreement or 0.0 for one in measured),
            kl=max(kls, default=None),
            top1=min(tops, default=None, key=lambda top: top.change),
            latency=max(artifact.latency.median for artifact in artifacts),
        )

    @property
    def distance(self) -> float:
        """How far its answers are from the original's; 0 is the same."""
        return 1 - self.agreement if self.kl is None else self.kl
