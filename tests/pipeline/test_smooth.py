"""Smoothing: means of all classes, of scores and of raw values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.pipeline.parts import Inference
from edgekit.pipeline.stages.smooth import Smooth
from edgekit.runtime.prediction import AnomalyScore, Classification, RawValues
from tests.pipeline.inferences import SteppedClock, anomaly, classes, classified, inference, raw


def scores_of(item: Inference) -> np.ndarray:
    assert isinstance(item.prediction, Classification)
    return item.prediction.scores


def test_the_likeliest_classes_are_chosen_from_the_means_of_all() -> None:
    smooth = Smooth(samples=3)
    smooth.push(classified(0.6, 0.0, 0.4))
    smooth.push(classified(0.0, 0.6, 0.4))
    last = smooth.push(classified(0.0, 0.55, 0.45)).prediction
    assert isinstance(last, Classification)
    assert [found.label for found in last.top] == ["traffic light", "dog"]
    assert last.top[0].p == pytest.approx(1.25 / 3)


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=12),
    st.integers(1, 5),
)
def test_a_mean_is_of_the_last_few_and_of_all_until_then(
    rows: list[list[float]], count: int
) -> None:
    smooth = Smooth(samples=count)
    for end, row in enumerate(rows, 1):
        given_scores = scores_of(smooth.push(classified(*row)))
        plain = np.mean(np.array(rows[max(0, end - count) : end]), axis=0)
        np.testing.assert_allclose(given_scores, plain, atol=1e-12)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 30)), min_size=1, max_size=12))
def test_an_exponential_mean_weighs_each_sample_by_its_age(
    readings: list[tuple[float, float]],
) -> None:
    clock = SteppedClock()
    smooth = Smooth(half_life_s=2.0, clock=clock)
    # Written out: what each sample has left of its weight at the end.
    weights: list[float] = []
    for number, (score, gap_s) in enumerate(readings):
        clock.now_s += gap_s
        kept = 0.5 ** (gap_s / 2.0) if number else 1.0
        weights = [weight * kept for weight in weights] + [1 - kept if number else 1.0]
        given_score = smooth.push(anomaly(score)).prediction
        plain = sum(w * s for w, (s, _) in zip(weights, readings, strict=False))
        assert isinstance(given_score, AnomalyScore)
        assert math.isclose(given_score.score, plain, abs_tol=1e-9)


def test_an_anomaly_keeps_its_own_threshold() -> None:
    smooth = Smooth(samples=2)
    smooth.push(anomaly(30.0, threshold=10.0))
    assert smooth.push(anomaly(10.0, threshold=20.0)).prediction == AnomalyScore(20.0, 20.0)


def test_raw_values_are_smoothed_one_by_one() -> None:
    smooth = Smooth(samples=2)
    smooth.push(raw(1.0, 2.0))
    values = smooth.push(raw(3.0, 0.0)).prediction
    assert isinstance(values, RawValues)
    assert values.values.tolist() == [2.0, 1.0]


def test_another_models_predictions_start_afresh_and_so_does_a_reset() -> None:
    smooth = Smooth(samples=9)
    smooth.push(classified(1.0, 0.0, 0.0))
    other = inference(classes(0.0, 1.0, 0.0, labels=("a", "b", "c")))
    assert scores_of(smooth.push(other)).tolist() == [0.0, 1.0, 0.0]
    smooth.reset()
    again = inference(classes(0.5, 0.5, 0.0, labels=("a", "b", "c")))
    assert scores_of(smooth.push(again)).tolist() == [0.5, 0.5, 0.0]


def test_what_was_given_is_not_changed_by_what_comes_after() -> None:
    smooth = Smooth(samples=2)
    first = smooth.push(classified(1.0, 0.0, 0.0))
    smooth.push(classified(0.0, 1.0, 0.0))
    assert scores_of(first).tolist() == [1.0, 0.0, 0.0]
