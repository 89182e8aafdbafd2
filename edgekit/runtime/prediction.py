"""What a model said of a sample, and how long that took."""

from dataclasses import dataclass

from edgekit.array import Array


@dataclass(frozen=True)
class ClassScore:
    """One class of a classification: its index, its label and its probability."""

    id: int
    label: str
    p: float


@dataclass(frozen=True)
class Classification:
    """The likeliest classes, best first."""

    top: tuple[ClassScore, ...]


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


@dataclass(frozen=True)
class Timing:
    """Milliseconds: from capture to the start of work (`age`), then each step of the work."""

    age: float
    prepare: float
    infer: float
    interpret: float
