"""Hysteresis, debounce, top, threshold and change; and how settings open them."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.config.checking import check
from edgekit.config.prediction_stages import PredictionStage
from edgekit.config.table import Table
from edgekit.errors import ConfigError
from edgekit.pipeline.stages.after import STAGES_AFTER_THE_MODEL, open_stage_after_the_model
from edgekit.pipeline.stages.change import Change
from edgekit.pipeline.stages.debounce import Debounce
from edgekit.pipeline.stages.hysteresis import Hysteresis
from edgekit.pipeline.stages.threshold import Threshold
from edgekit.pipeline.stages.top import Top
from edgekit.runtime.prediction import AnomalyScore, Classification
from tests.pipeline.inferences import (
    LABELS,
    SteppedClock,
    anomaly,
    answers,
    classes,
    classified,
    inference,
    raw,
)


def test_an_anomaly_ends_only_below_the_lower_limit() -> None:
    stage = Hysteresis(enter=1.2, leave=0.8)
    scores = [11.0, 12.1, 11.0, 8.1, 8.0, 11.0]
    passed = [stage.push(anomaly(score)) for score in scores]
    assert answers(passed) == [False, True, True, True, False, False]
    assert passed[2] is not None
    assert passed[2].prediction == AnomalyScore(11.0, 8.0)


def test_a_threshold_that_is_not_positive_is_moved_by_steps() -> None:
    stage = Hysteresis(enter=2.0, leave=0.5)
    passed = [stage.push(anomaly(score, threshold=-3.0)) for score in (-2.5, -1.5, -3.4, -3.6)]
    assert answers(passed) == [False, True, True, False]


def test_a_class_stays_the_answer_until_its_own_probability_is_low() -> None:
    stage = Hysteresis(enter=0.6, leave=0.3)
    passed = [
        stage.push(classified(*scores))
        for scores in (
            (0.5, 0.4, 0.1),  # nothing is sure enough
            (0.7, 0.2, 0.1),
            (0.35, 0.65, 0.0),  # the dog leads, but the person is not gone
            (0.2, 0.8, 0.0),
            (0.5, 0.25, 0.25),
        )
    ]
    assert answers(passed) == [None, "person", "person", "dog", None]


def test_the_held_class_is_named_though_it_is_not_among_the_likeliest() -> None:
    stage = Hysteresis(enter=0.6, leave=0.1)
    stage.push(inference(classes(0.9, 0.05, 0.05, top=1)))
    held = stage.push(inference(classes(0.2, 0.5, 0.3, top=1)))
    assert answers([held]) == ["person"]
    stage.reset()
    assert stage.push(inference(classes(0.2, 0.5, 0.3, top=1))) is None


def test_a_changed_answer_passes_once_it_was_given_so_often_in_a_row() -> None:
    stage = Debounce(samples=3)
    passed = [stage.push(anomaly(11.0 if high else 9.0)) for high in (0, 0, 0, 1, 1, 0, 1, 1, 1, 0)]
    none = [None]
    assert answers(passed) == [*none * 2, False, *none * 2, False, *none * 2, True, None]


def test_a_changed_answer_passes_once_it_was_given_for_so_long() -> None:
    clock = SteppedClock()
    stage = Debounce(seconds=2.0, clock=clock)
    passed = []
    for gap_s, person in ((0, 1), (2, 1), (1, 0), (1.9, 0), (0.1, 0), (0, 1), (1, 0)):
        clock.now_s += gap_s
        passed.append(stage.push(classified(0.9 * person, 0.5, 0.1)))
    assert answers(passed) == [None, "person", None, None, "dog", None, "dog"]


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 4))
def test_debounce_by_samples_agrees_with_looking_at_the_whole_past(
    highs: list[bool], samples: int
) -> None:
    stage = Debounce(samples=samples)
    given_answers = answers([stage.push(anomaly(11.0 if high else 9.0)) for high in highs])
    for end in range(1, len(highs) + 1):
        held = None  # the value of the newest run that was long enough
        for last in range(samples, end + 1):
            if len(set(highs[last - samples : last])) == 1:
                held = highs[last - 1]
        assert given_answers[end - 1] == (held if held is highs[end - 1] else None)


def test_top_names_fewer_classes_or_more_and_keeps_the_first() -> None:
    def labels(item: Any) -> list[str]:
        return [found.label for found in item.prediction.top]

    assert labels(Top(classes=1).push(classified(0.1, 0.7, 0.2))) == ["dog"]
    assert labels(Top(classes=9).push(classified(0.1, 0.7, 0.2))) == [
        "dog",
        "traffic light",
        "person",
    ]
    hysteresis = Hysteresis(enter=0.6, leave=0.1)
    hysteresis.push(inference(classes(0.9, 0.1, 0.0, top=1)))
    held = hysteresis.push(inference(classes(0.2, 0.5, 0.3, top=1)))
    assert held is not None
    assert labels(Top(classes=3).push(held)) == ["person", "dog", "traffic light"]


@pytest.mark.parametrize(
    ("stage", "passes"),
    [
        (Threshold(at_least=0.5), [True, True, False]),
        (Threshold(labels={"dog": 0.6}), [False, True, False]),
        (Threshold(at_least=0.7, labels={"dog": 0.6}), [False, True, False]),
        (Threshold(at_least=0.0, labels={"dog": 0.7}), [True, False, True]),
        (Threshold(anomalous_only=True), [True, True, True]),
    ],
)
def test_a_class_passes_at_its_limit(stage: Threshold, passes: list[bool]) -> None:
    items = [classified(0.5, 0.1, 0.4), classified(0.0, 0.6, 0.4), classified(0.3, 0.3, 0.4)]
    assert [stage.push(item) is not None for item in items] == passes


def test_an_anomaly_passes_at_a_multiple_of_its_threshold() -> None:
    scores = (9.0, 10.0, 10.1, 20.0)
    for stage, passes in (
        (Threshold(anomalous_only=True), [False, False, True, True]),
        (Threshold(at_least=2.0), [False, False, False, True]),
        (Threshold(at_least=0.95, anomalous_only=True), [False, False, True, True]),
    ):
        assert [stage.push(anomaly(score)) is not None for score in scores] == passes


def test_only_news_and_heartbeats_pass() -> None:
    clock = SteppedClock()
    stage = Change(heartbeat_s=10.0, clock=clock)
    passed = []
    for gap_s, score in ((0, 1.0), (9, 2.0), (1, 3.0), (5, 11.0), (9, 12.0), (1, 13.0)):
        clock.now_s += gap_s
        passed.append(stage.push(anomaly(score)) is not None)
    assert passed == [True, False, True, True, False, True]
    stage.reset()
    assert stage.push(anomaly(14.0)) is not None


def test_raw_values_are_news_when_any_of_them_changes() -> None:
    stage = Change()
    items = [raw(1.0, 2.0), raw(1.0, 2.0), raw(1.0, 2.5)]
    assert [stage.push(item) is not None for item in items] == [True, False, True]


@pytest.mark.parametrize("kind", STAGES_AFTER_THE_MODEL)
def test_each_table_of_settings_fits_its_stage(kind: str) -> None:
    table = next(t for t in get_args(PredictionStage) if t.__struct_config__.tag == kind)
    module, _, name = STAGES_AFTER_THE_MODEL[kind].partition(":")
    accepted = inspect.signature(getattr(import_module(module), name)).parameters
    assert {field.name for field in msgspec.structs.fields(table)} == set(accepted) - {"clock"}


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "smooth", "samples": 5},
        {"kind": "smooth", "half_life_s": 0.5},
        {"kind": "hysteresis", "enter": 0.8, "leave": 0.6},
        {"kind": "debounce", "seconds": 2},
        {"kind": "top", "classes": 3},
        {"kind": "threshold", "labels": {"traffic light": 0.5}},
        {"kind": "change", "heartbeat_s": 60},
    ],
)
def test_settings_open_a_stage_that_takes_every_kind_of_prediction(table: dict[str, Any]) -> None:
    class Document(Table, frozen=True, kw_only=True):
        stage: PredictionStage

    settings = check({"stage": table}, Document, source="t", folder=Path()).stage
    stage = open_stage_after_the_model(table["kind"], **msgspec.structs.asdict(settings))
    for item in (classified(0.9, 0.05, 0.05), anomaly(11.0), raw(1.0), inference(_top_only())):
        stage.push(item)
    stage.reset()


def _top_only() -> Classification:
    return Classification(classes(0.9, 0.05, 0.05, labels=LABELS).top)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"kind": "smooth"}, "give one of samples and half_life_s"),
        ({"kind": "smooth", "samples": 2, "half_life_s": 1}, "give one of"),
        ({"kind": "hysteresis", "enter": 0.5, "leave": 0.6}, "leave is above enter"),
        ({"kind": "debounce", "seconds": float("inf")}, "<= 604800"),
        ({"kind": "debounce", "samples": 0}, ">= 1"),
        ({"kind": "threshold"}, "give at_least, labels or anomalous_only"),
        ({"kind": "change", "heartbeat": 1}, "did you mean heartbeat_s?"),
    ],
)
def test_settings_that_make_no_sense_are_refused(table: dict[str, Any], says: str) -> None:
    class Document(Table, frozen=True, kw_only=True):
        stage: PredictionStage

    with pytest.raises(ConfigError, match=says):
        check({"stage": table}, Document, source="t", folder=Path())
