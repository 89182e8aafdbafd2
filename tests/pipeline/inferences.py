"""Predictions and a clock for the tests of what comes after the model."""

import numpy as np

from edgekit.pipeline.parts import Inference
from edgekit.runtime.prediction import (
    AnomalyScore,
    Classification,
    Prediction,
    RawValues,
    Timing,
)

LABELS = ("person", "dog", "traffic light")


class SteppedClock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def inference(prediction: Prediction, pipeline: str = "door", sequence: int = 0) -> Inference:
    return Inference(
        pipeline=pipeline,
        sequence=sequence,
        boot="b",
        model_name="m",
        model_version="1.0.0",
        model_hash="0123456789ab",
        captured_ms=1_000 + sequence,
        origin="",
        prediction=prediction,
        timing=Timing(age=1.0, prepare=2.0, infer=3.0, interpret=4.0),
    )


def classes(*scores: float, labels: tuple[str, ...] = LABELS, top: int = 2) -> Classification:
    return Classification.of(np.array(scores, np.float64), labels, top=min(top, len(scores)))


def classified(*scores: float, pipeline: str = "door") -> Inference:
    return inference(classes(*scores), pipeline)


def anomaly(score: float, threshold: float = 10.0, pipeline: str = "pump") -> Inference:
    return inference(AnomalyScore(score, threshold), pipeline)


def raw(*values: float, pipeline: str = "level") -> Inference:
    return inference(RawValues(np.array(values)), pipeline)


def answers(items: list[Inference | None]) -> list[str | bool | None]:
    """The first label or whether it is anomalous, and `None` where nothing passed."""
    found: list[str | bool | None] = []
    for item in items:
        match item.prediction if item else None:
            case Classification(top):
                found.append(top[0].label)
            case AnomalyScore() as score:
                found.append(score.anomalous)
            case _:
                found.append(None)
    return found
