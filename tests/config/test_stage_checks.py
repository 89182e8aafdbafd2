"""Stages after the model are checked beside what the model gives."""

from pathlib import Path
from typing import Any

import pytest

from edgekit.config.checking import check
from edgekit.config.prediction_stages import PredictionStage
from edgekit.config.stage_checks import check_stage
from edgekit.config.table import Table
from edgekit.pipeline.rules.readings import Readable

CLASSES = Readable("classes", ("person", "traffic light"))
ANOMALY, RAW = Readable("anomaly"), Readable("raw")


class Document(Table, frozen=True, kw_only=True):
    stage: PredictionStage


def mistakes(readable: Readable, **table: Any) -> list[str]:
    stage = check({"stage": table}, Document, source="t", folder=Path()).stage
    return check_stage("s", stage, readable)


@pytest.mark.parametrize(
    ("readable", "table", "says"),
    [
        (ANOMALY, {"kind": "top", "classes": 3}, "s: there are no classes to name"),
        (RAW, {"kind": "debounce", "samples": 3}, "s: there is no answer in raw values"),
        (RAW, {"kind": "hysteresis", "enter": 3, "leave": 2}, "s: there is no answer"),
        (CLASSES, {"kind": "hysteresis", "enter": 2, "leave": 1}, "s.enter: is 2, and a prob"),
        (CLASSES, {"kind": "threshold", "at_least": 80}, "s.at_least: is 80"),
        (
            CLASSES,
            {"kind": "threshold", "labels": {"traffic_light": 0.5}},
            "s.labels.traffic_light: the model has no such class; did you mean traffic light?",
        ),
        (CLASSES, {"kind": "threshold", "anomalous_only": True}, "s.anomalous_only: the model gi"),
        (ANOMALY, {"kind": "threshold", "labels": {"person": 0.5}}, "s.labels: the model gives an"),
    ],
)
def test_a_stage_that_does_not_fit_the_model_is_told(
    readable: Readable, table: dict[str, Any], says: str
) -> None:
    (line,) = mistakes(readable, **table)
    assert line.startswith(says)


@pytest.mark.parametrize(
    ("readable", "table"),
    [
        (ANOMALY, {"kind": "hysteresis", "enter": 2, "leave": 1}),
        (ANOMALY, {"kind": "threshold", "at_least": 1.5, "anomalous_only": True}),
        (CLASSES, {"kind": "threshold", "labels": {"traffic light": 0.5}}),
        (Readable("classes"), {"kind": "threshold", "labels": {"anything": 0.5}}),
        (RAW, {"kind": "smooth", "samples": 3}),
        (RAW, {"kind": "change"}),
        (CLASSES, {"kind": "top", "classes": 3}),
        (ANOMALY, {"kind": "debounce", "samples": 3}),
    ],
)
def test_a_stage_that_fits_has_no_mistakes(readable: Readable, table: dict[str, Any]) -> None:
    assert mistakes(readable, **table) == []
