"""Looks for mistakes in stages after the model that only show beside what the model gives."""

from collections.abc import Iterator, Sequence

from edgekit.config.checking import nearest
from edgekit.config.prediction_stages import (
    ChangeStage,
    DebounceStage,
    HysteresisStage,
    PredictionStage,
    SmoothStage,
    ThresholdStage,
    TopStage,
)
from edgekit.pipeline.rules.readings import Readable

_GIVES = {"classes": "classes", "anomaly": "an anomaly score", "raw": "raw values"}


def check_stage(where: str, stage: PredictionStage, readable: Readable) -> list[str]:
    """Every mistake in a stage for a pipeline that gives that, each with the path of its key."""
    gives = _GIVES[readable.kind]
    match stage:
        case SmoothStage() | ChangeStage():
            return []
        case TopStage():
            if readable.kind != "classes":
                return [f"{where}: there are no classes to name: the model gives {gives}"]
            return []
        case DebounceStage() | HysteresisStage() | ThresholdStage() if readable.kind == "raw":
            return [f"{where}: there is no answer in raw values"]
        case HysteresisStage():
            return list(_above_one(where, readable, ("enter", stage.enter), ("leave", stage.leave)))
        case ThresholdStage():
            return list(_threshold_mistakes(where, stage, readable))
    return []


def _threshold_mistakes(where: str, stage: ThresholdStage, readable: Readable) -> Iterator[str]:
    yield from _above_one(where, readable, ("at_least", stage.at_least or 0.0))
    if stage.labels and readable.kind != "classes":
        yield f"{where}.labels: the model gives {_GIVES[readable.kind]}"
    elif readable.labels is not None:
        yield from _unknown_labels(f"{where}.labels", list(stage.labels), readable.labels)
    if stage.anomalous_only and readable.kind != "anomaly":
        yield f"{where}.anomalous_only: the model gives {_GIVES[readable.kind]}"


def _above_one(where: str, readable: Readable, *limits: tuple[str, float]) -> Iterator[str]:
    for key, limit in limits:
        if readable.kind == "classes" and limit > 1:
            yield f"{where}.{key}: is {limit:g}, and a probability is at most 1"


def _unknown_labels(where: str, named: Sequence[str], labels: Sequence[str]) -> Iterator[str]:
    for label in named:
        if label not in labels:
            hint = nearest(label, labels)
            yield f"{where}.{label}: the model has no such class; {hint[:160]}"
