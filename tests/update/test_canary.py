"""The judgement of a release on trial."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.update.canary import CanaryLog, CanaryPolicy, Observations, percentile
from edgekit.update.settings import CanaryTable, canary_policy

POLICY = CanaryPolicy()
GOOD = Observations(
    elapsed_s=200.0,
    samples=50,
    latencies_ms=(10.0,) * 50,
    running_latencies_ms=(9.0,) * 50,
    agreement=0.97,
    difference=0.02,
    temperature_c=61.0,
    running_temperature_c=58.0,
)


def test_a_release_that_does_as_well_is_committed() -> None:
    assert POLICY.judge(GOOD).kind == "commit"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"errors": 1}, "failed on 1 of 50 samples (at most 0)"),
        (
            {"latencies_ms": (10.0,) * 40 + (20.0,) * 10},
            "takes 20.0 ms at p95 where the running model takes 9.0 (2.22 times; at most 1.5)",
        ),
        ({"agreement": 0.5}, "agrees with the running model on 50% of the samples (at least 80%)"),
        ({"difference": 0.4}, "its scores differ by 0.4 on average (at most 0.25)"),
        ({"difference": float("nan")}, "its scores differ by nan on average (at most 0.25)"),
        ({"temperature_c": 83.0}, "the board reached 83 °C (at most 80)"),
        ({"temperature_c": 75.0}, "the board got 17 °C warmer (at most 15)"),
    ],
)
def test_a_release_that_does_worse_is_rolled_back_and_why_is_said(
    change: dict[str, object], reason: str
) -> None:
    verdict = POLICY.judge(replace(GOOD, **change))  # type: ignore[arg-type]
    assert (verdict.kind, verdict.reason) == ("roll back", reason)


def test_every_reason_is_named() -> None:
    verdict = POLICY.judge(replace(GOOD, errors=3, agreement=0.1))
    assert len(verdict.reasons) == 2
    assert verdict.reason == "; ".join(verdict.reasons)


def test_nothing_is_committed_before_its_window_ends_or_with_too_few_samples() -> None:
    early = POLICY.judge(replace(GOOD, elapsed_s=30.0))
    assert (early.kind, early.reason) == ("wait", "is watched for 90 s more")
    few = POLICY.judge(replace(GOOD, samples=3))
    assert (few.kind, few.reason) == ("wait", "saw 3 samples of the 30 it needs")


def test_a_board_that_saw_too_little_by_the_deadline_rolls_back() -> None:
    verdict = POLICY.judge(replace(GOOD, samples=3, elapsed_s=901.0))
    assert verdict.kind == "roll back"
    assert verdict.reason == "saw 3 samples of the 30 it needs in 901 s"


def test_a_clear_failure_does_not_wait_for_the_window() -> None:
    assert POLICY.judge(replace(GOOD, elapsed_s=1.0, samples=2, errors=1)).kind == "roll back"


def test_a_model_that_is_fast_enough_anyway_is_not_measured_against_noise() -> None:
    seen = replace(GOOD, latencies_ms=(0.6,) * 50, running_latencies_ms=(0.1,) * 50)
    assert POLICY.judge(seen).kind == "commit"


def test_what_a_board_cannot_measure_is_no_reason() -> None:
    seen = Observations(elapsed_s=200.0, samples=50)
    assert POLICY.judge(seen).kind == "commit"


def test_the_log_gathers_what_the_judge_needs() -> None:
    log = CanaryLog()
    for number in range(40):
        log.saw(
            scores=[0.2, 0.8] if number else [0.8, 0.2],
            running_scores=[0.3, 0.7],
            latency_ms=2.0,
            running_latency_ms=1.0,
        )
        log.felt(50.0 + number % 3)
    log.failed()
    log.felt(None)
    seen = log.observations(10.0, running_temperature_c=49.0)
    assert (seen.samples, seen.errors, seen.temperature_c) == (41, 1, 52.0)
    assert seen.agreement == pytest.approx(39 / 40)
    assert seen.difference == pytest.approx((39 * 0.1 + 0.5) / 40)
    assert (len(seen.latencies_ms), seen.running_latencies_ms[0]) == (40, 1.0)


def test_models_with_other_classes_are_compared_by_speed_alone() -> None:
    log = CanaryLog()
    log.saw(scores=[1.0], running_scores=[0.5, 0.5], latency_ms=1.0, running_latency_ms=1.0)
    seen = log.observations(1.0)
    assert (seen.samples, seen.agreement, seen.difference) == (1, None, None)


def test_the_log_does_not_grow_for_ever() -> None:
    log = CanaryLog(keep=10)
    for number in range(100):
        log.saw(scores=[1.0], running_scores=[1.0], latency_ms=number, running_latency_ms=1.0)
    assert log.observations(1.0).latencies_ms == tuple(range(90, 100))


def test_the_settings_are_the_policys_own() -> None:
    assert canary_policy(CanaryTable()) == CanaryPolicy()
    with pytest.raises(ValueError, match="deadline_s must not be shorter than window_s"):
        CanaryTable(window_s=100.0, deadline_s=50.0)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_one_of_the_values_and_covers_its_share(
    values: list[float], share: float
) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@settings(deadline=None, max_examples=300)
@given(
    st.builds(
        Observations,
        elapsed_s=st.floats(0, 1e6),
        samples=st.integers(0, 1000),
        errors=st.integers(0, 1000),
        latencies_ms=st.lists(NUMBERS, max_size=4),
        running_latencies_ms=st.lists(NUMBERS, max_size=4),
        agreement=st.none() | NUMBERS,
        difference=st.none() | NUMBERS,
        temperature_c=st.none() | st.floats(-50, 150),
        running_temperature_c=st.none() | st.floats(-50, 150),
    )
)
def test_any_observations_are_judged_and_nothing_is_kept_without_a_look(seen: Observations) -> None:
    verdict = POLICY.judge(seen)
    assert verdict.kind == "commit" or verdict.reasons
    if verdict.kind == "commit":
        assert seen.samples >= POLICY.min_samples
        assert seen.elapsed_s >= POLICY.window_s
        assert seen.errors == 0
