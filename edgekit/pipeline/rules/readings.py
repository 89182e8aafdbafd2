"""What an expression can read of a prediction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgekit.bundle import Manifest
from edgekit.runtime.prediction import (
    AnomalyScore,
    Classification,
    Prediction,
    RawValues,
    label_of,
)

Value = float | bool | str
Kind = Literal["classes", "anomaly", "raw"]
Part = Literal["fact", "label", "top", "p", "score", "threshold", "anomalous", "value"]

PARTS: dict[Kind, tuple[Part, ...]] = {
    "classes": ("top", "p"),
    "anomaly": ("score", "threshold", "anomalous"),
    "raw": (),
}


@dataclass(frozen=True)
class Readable:
    """What kind of prediction a pipeline or a fusion gives.

    Attributes:
        kind: classes with probabilities, an anomaly score, or raw values.
        labels: what the classes are called; `None` where that is not known, and any will do.
    """

    kind: Kind
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Reading:
    """One value that an expression reads.

    Attributes:
        name: how the expression writes it.
        of: the pipeline, the fusion or the fact.
        part: which of its values.
        key: the label of a class; the place of a raw value.
    """

    name: str
    of: str
    part: Part
    key: str | int = ""


def readable_of(manifest: Manifest, labels: tuple[str, ...]) -> Readable:
    """What a pipeline with this bundle gives; `labels` are the bundle's."""
    match manifest.output.kind:
        case "scores" | "logits":
            return Readable("classes", labels or None)
        case "score" | "reconstruction":
            return Readable("anomaly")
        case "raw":
            return Readable("raw")


def readable_of_fused(inputs: Sequence[Readable]) -> Readable:
    """What a fusion of these gives: all their classes."""
    labels: dict[str, None] = {}
    for readable in inputs:
        if readable.labels is None:
            return Readable(inputs[0].kind)
        labels |= dict.fromkeys(readable.labels)
    return Readable(inputs[0].kind, tuple(labels))


def value_of(reading: Reading, prediction: Prediction) -> Value | None:
    """What a reading is in a prediction; `None` where the prediction has no such value."""
    match prediction:
        case Classification():
            return _of_classes(reading, prediction)
        case AnomalyScore():
            match reading.part:
                case "score":
                    return prediction.score
                case "threshold":
                    return prediction.threshold
                case "anomalous":
                    return prediction.anomalous
        case RawValues(values):
            if reading.part == "value" and isinstance(reading.key, int):
                flat = values.reshape(-1)
                return float(flat[reading.key]) if reading.key < flat.size else None
    return None


def _of_classes(reading: Reading, found: Classification) -> Value | None:
    match reading.part:
        case "top":
            return found.top[0].label if found.top else None
        case "p":
            return found.top[0].p if found.top else None
        case "label":
            if found.scores.size == 0:  # what is not among the top is small
                return sum(score.p for score in found.top if score.label == reading.key)
            return _probability(str(reading.key), found)
    return None


def _probability(label: str, found: Classification) -> float | None:
    numbers = _numbers(label, found.labels, found.scores.size)
    if len(numbers) == 1:
        return float(found.scores[numbers[0]])
    return float(found.scores[list(numbers)].sum()) if numbers else None


_found: dict[tuple[str, int, int], tuple[tuple[str, ...], list[int]]] = {}
_MOST_FOUND = 256


def _numbers(label: str, labels: tuple[str, ...], classes: int) -> list[int]:
    """The classes of that name: more than one where a model has the label twice.

    What was found is kept by the identity of `labels`, which a session gives with every
    prediction: to hash or to search a thousand labels each time costs more than all the rest.
    They are kept beside it, so that no other labels can get their identity.
    """
    key = (label, id(labels), classes)
    known = _found.get(key)
    if known is not None:
        return known[1]
    numbers = [number for number in range(classes) if label_of(number, labels) == label]
    if len(_found) >= _MOST_FOUND:
        _found.clear()
    _found[key] = labels, numbers
    return numbers
