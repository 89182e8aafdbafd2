"""Fusion: windows over several pipelines, and pools of what they say."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.pipeline.fusion import Fusion
from edgekit.pipeline.parts import Inference
from edgekit.pipeline.pooling import Pool, pool_anomalies, pool_classes
from edgekit.runtime.prediction import AnomalyScore, Classification
from tests.pipeline.inferences import anomaly, classes, classified, inference, raw

Opinion = dict[str, float]


def fusion(
    *, require: int = 1, pool: Pool = "linear", inputs: dict[str, float] | None = None
) -> Fusion:
    weights = inputs or {"door": 0.7, "mic": 0.3}
    return Fusion("gate", weights, window_s=2.0, boot="b", require=require, pool=pool)


def scores(found: Classification) -> Opinion:
    return dict(zip(found.labels, found.scores.tolist(), strict=True))


def plain_pool(parts: list[tuple[float, Opinion]], pool: Pool) -> Opinion:
    """A class at a time, from the definition."""
    pooled: Opinion = {}
    for label in {label for _, opinion in parts for label in opinion}:
        knowing = [(w, opinion[label]) for w, opinion in parts if label in opinion]
        whole = sum(w for w, _ in knowing)
        if pool == "linear":
            pooled[label] = sum(w * p for w, p in knowing) / whole
        else:
            pooled[label] = math.prod(max(p, 1e-12) ** (w / whole) for w, p in knowing)
    total = sum(w * sum(opinion.values()) for w, opinion in parts) / sum(w for w, _ in parts)
    scale = total / sum(pooled.values())
    return {label: p * scale for label, p in pooled.items()}


opinions = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.01, 1), min_size=1)
weights = st.floats(0.1, 5)


@given(
    st.lists(st.tuples(weights, opinions), min_size=1, max_size=4),
    st.sampled_from(["linear", "log"]),
)
def test_a_pool_agrees_with_its_definition(parts: list[tuple[float, Opinion]], pool: Pool) -> None:
    given_pool = pool_classes(
        [classes(*opinion.values(), labels=tuple(opinion)) for _, opinion in parts],
        [w for w, _ in parts],
        pool=pool,
    )
    assert scores(given_pool) == pytest.approx(plain_pool(parts, pool))


@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(sum),
    weights,
    weights,
    st.sampled_from(["linear", "log"]),
)
def test_models_that_agree_are_left_as_they_are(
    same: list[float], first: float, second: float, pool: Pool
) -> None:
    pooled = pool_classes([classes(*same), classes(*same)], [first, second], pool=pool)
    np.testing.assert_allclose(pooled.scores, same, atol=1e-9)


def test_a_class_that_one_model_knows_is_pooled_from_that_one() -> None:
    door = classes(0.5, 0.5, labels=("person", "dog"))
    mic = classes(0.2, 0.8, labels=("person", "siren"))
    pooled = pool_classes([door, mic], [1.0, 1.0])
    # 0.35, 0.5 and 0.8 before they are scaled to a sum of 1
    assert scores(pooled) == pytest.approx(
        {"person": 0.35 / 1.65, "dog": 0.5 / 1.65, "siren": 0.8 / 1.65}
    )
    assert [found.label for found in pooled.top] == ["siren", "dog"]


def test_a_label_that_a_model_has_twice_stays_two_classes() -> None:
    twice = classes(0.1, 0.3, 0.6, labels=("crane", "crane", "dog"))
    pooled = pool_classes([twice, twice], [1.0, 2.0])
    assert pooled.labels == ("crane", "crane", "dog")
    np.testing.assert_allclose(pooled.scores, [0.1, 0.3, 0.6])


def test_one_models_zero_is_no_veto_in_a_log_linear_pool() -> None:
    pooled = pool_classes([classes(0.0, 1.0), classes(1.0, 0.0)], [1.0, 1.0], pool="log")
    np.testing.assert_allclose(pooled.scores, [0.5, 0.5])


def test_anomaly_scores_are_weighed_as_multiples_of_their_thresholds() -> None:
    parts = [AnomalyScore(20.0, 10.0), AnomalyScore(0.2, 0.4)]
    assert pool_anomalies(parts, [1.0, 3.0]) == AnomalyScore(0.875, 1.0)
    assert pool_anomalies([AnomalyScore(-1.0, -2.0)], [1.0]) == AnomalyScore(2.0, 1.0)


def test_the_last_input_to_speak_ends_the_window() -> None:
    gate = fusion()
    assert gate.take(classified(1.0, 0.0, 0.0), 10.0) is None
    fused = gate.take(classified(0.0, 1.0, 0.0, pipeline="mic"), 11.0)
    assert fused is not None
    assert isinstance(fused.prediction, Classification)
    assert scores(fused.prediction) == {"person": 0.7, "dog": 0.3, "traffic light": 0.0}
    assert (fused.pipeline, fused.origin, fused.model_name) == ("gate", "door, mic", "fusion")
    assert fused.timing.age == pytest.approx(1010.0)
    assert gate.next_tick_s() is None


def test_a_missing_input_takes_no_part_and_is_not_named() -> None:
    gate = fusion()
    gate.take(classified(0.2, 0.7, 0.1, pipeline="mic"), 10.0)
    assert gate.next_tick_s() == 12.0
    assert gate.tick(11.9) is None
    fused = gate.tick(12.0)
    assert fused is not None
    assert fused.origin == "mic"
    assert isinstance(fused.prediction, Classification)
    np.testing.assert_allclose(fused.prediction.scores, [0.2, 0.7, 0.1])


def test_a_window_with_too_few_inputs_gives_nothing_and_is_counted() -> None:
    gate = fusion(require=2)
    gate.take(classified(1.0, 0.0, 0.0), 10.0)
    assert gate.tick(12.0) is None
    assert gate.incomplete == 1
    assert gate.take(classified(1.0, 0.0, 0.0), 12.0) is None
    assert gate.take(classified(1.0, 0.0, 0.0, pipeline="mic"), 12.5) is not None


def test_the_newest_of_an_input_counts() -> None:
    gate = fusion()
    gate.take(anomaly(50.0, pipeline="door"), 10.0)
    gate.take(anomaly(10.0, pipeline="door"), 10.5)
    fused = gate.take(anomaly(0.0, pipeline="mic"), 11.0)
    assert fused is not None
    assert fused.prediction == AnomalyScore(0.7, 1.0)


def test_what_cannot_be_fused_is_ignored() -> None:
    gate = fusion()
    assert gate.take(raw(1.0, pipeline="door"), 10.0) is None
    assert gate.take(classified(1.0, 0.0, 0.0, pipeline="other"), 10.0) is None
    assert gate.next_tick_s() is None
    gate.take(classified(1.0, 0.0, 0.0), 10.0)
    fused = gate.take(anomaly(20.0, pipeline="mic"), 10.1)
    assert fused is not None
    assert (fused.origin, fused.prediction) == ("mic", AnomalyScore(2.0, 1.0))


def test_the_hash_tells_settings_apart() -> None:
    def hash_of(gate: Fusion) -> str:
        fused = gate.take(classified(1.0, 0.0, 0.0), 0.0) or gate.tick(9.0)
        assert fused is not None
        return fused.model_hash

    assert hash_of(fusion()) == hash_of(fusion(inputs={"mic": 0.3, "door": 0.7}))
    assert hash_of(fusion()) != hash_of(fusion(pool="log"))
    assert hash_of(fusion()) != hash_of(fusion(inputs={"mic": 0.4, "door": 0.7}))


def plain_windows(spoken: list[tuple[float, str]], names: str, require: int) -> list[list[str]]:
    """What each window comes to, from the whole list of who spoke when."""
    windows: list[list[str]] = []
    rest = list(spoken)
    while rest:
        opened = rest[0][0]
        heard: list[str] = []
        used = 0
        for at, name in rest:
            if at >= opened + 2.0:
                break
            heard.append(name)
            used += 1
            if set(heard) == set(names):
                break
        rest = rest[used:]
        if len(set(heard)) >= require:
            windows.append([name for name in names if name in heard])
    return windows


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0]), st.sampled_from("abc"))),
    st.sets(st.floats(0, 60), max_size=8),
    st.integers(1, 3),
)
def test_windows_agree_with_cutting_up_the_whole_past_however_often_time_is_told(
    steps: list[tuple[float, str]], ticks: set[float], require: int
) -> None:
    spoken: list[tuple[float, str]] = []
    now = 0.0
    for gap, name in steps:
        now += gap
        spoken.append((now, name))
    gate = fusion(require=require, inputs={"a": 1.0, "b": 1.0, "c": 1.0})
    given_windows: list[Inference | None] = []
    for at, who in sorted([*spoken, *((at, "") for at in ticks)], key=lambda step: step[0]):
        item = inference(classes(0.5, 0.5), who)
        given_windows.append(gate.take(item, at) if who else gate.tick(at))
    given_windows.append(gate.tick(now + 1000))
    fused = [window for window in given_windows if window is not None]
    assert [window.origin.split(", ") for window in fused] == plain_windows(spoken, "abc", require)
    assert [window.sequence for window in fused] == list(range(len(fused)))


def test_a_fused_prediction_is_as_old_as_its_oldest_part() -> None:
    gate = fusion()
    gate.take(replace(classified(1.0, 0.0, 0.0), captured_ms=5_000), 10.0)
    mic = replace(classified(1.0, 0.0, 0.0, pipeline="mic"), captured_ms=4_000)
    fused = gate.take(mic, 10.0)
    assert fused is not None
    assert fused.captured_ms == 4_000
