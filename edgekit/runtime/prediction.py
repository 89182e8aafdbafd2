"""What a model said of a sample, and how long that took."""

from dataclasses import dataclass, field
from typing import Self

import msgspec
import numpy as np

from edgekit.array import Array


class ClassScore(msgspec.Struct, frozen=True):
    """One class of a classification: its index, its label and its probability."""

    id: int
    label: str
    p: float


@dataclass(frozen=True)
class Classification:
    """The likeliest classes, and the scores of all.

    Attributes:
        top: the likeliest classes, best first.
        scores: the probability of every class, float64 `[classes]`; empty where only `top` is
            known.
        labels: one a class, or fewer: a class without one is called `class <id>`.
    """

    top: tuple[ClassScore, ...]
    scores: Array = field(default_factory=lambda: np.empty(0), compare=False, repr=False)
    labels: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def of(cls, scores: Array, labels: tuple[str, ...], *, top: int = 5) -> Self:
        """The `top` likeliest classes of the probabilities float64 `[classes]`, which it keeps."""
        likeliest = [ClassScore(i, label_of(i, labels), scores.item(i)) for i in _best(scores, top)]
        return cls(tuple(likeliest), scores, labels)


def _best(scores: Array, count: int) -> list[int]:
    """The indices of the greatest, the greatest first; of equals the first."""
    count = min(count, scores.size)
    if count > _FEW:
        best: list[int] = np.argsort(-scores, kind="stable")[:count].tolist()
        return best
    left, found = scores.copy(), []  # after a model has run, calls that are short and few are fast
    for _ in range(count):
        found.append(int(left.argmax()))
        left[found[-1]] = -np.inf
    return found


_FEW = 8


def label_of(number: int, labels: tuple[str, ...]) -> str:
    """What a class is called."""
    return labels[number] if number < len(labels) else f"class {number}"


@dataclass(frozen=True)
class AnomalyScore:
    """How unusual a sample is, and the score above which it counts as anomalous."""

    score: float
    threshold: float

    @property
    def anomalous(self) -> bool:
        """Whether the score is above the threshold."""
        return self.score > self.threshold


@dataclass(frozen=True)
class RawValues:
    """The output of a model that nothing interprets: float64, in the output's own shape."""

    values: Array


Prediction = Classification | AnomalyScore | RawValues


class Timing(msgspec.Struct, frozen=True):
    """Milliseconds: from capture to the start of work (`age`), then each step of the work."""

    age: float
    prepare: float
    infer: float
    interpret: float
