"""The cap on the rate: even, without bursts, and nothing lost to jitter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.pipeline.parts import Sample
from edgekit.pipeline.stages.rate import Rate

_DATA = np.zeros(1)


def passed(stage: Rate, times_s: list[float]) -> list[float]:
    return [time for time in times_s if stage.push(Sample(_DATA, round(time * 1e9), 0)) is not None]


@pytest.mark.parametrize(("source_hz", "cap_hz", "wanted_hz"), [(30, 10, 10), (30, 20, 20)])
def test_a_faster_source_comes_down_to_the_cap(source_hz: int, cap_hz: int, wanted_hz: int) -> None:
    times = passed(Rate(cap_hz), [n / source_hz for n in range(source_hz * 10)])
    assert len(times) == wanted_hz * 10
    assert np.diff(times).max() <= 2 / source_hz + 1 / cap_hz


def test_a_source_of_just_that_rate_loses_nothing_to_jitter() -> None:
    jitter = np.random.default_rng(0).uniform(-0.01, 0.01, 1000)
    times = [n / 10 + jitter[n] for n in range(1000)]
    assert passed(Rate(10), times) == times


def test_after_a_pause_there_is_no_burst() -> None:
    times = [0.0, *(100 + n / 100 for n in range(100))]
    assert len(passed(Rate(10), times)) <= 1 + 11


def test_what_is_held_back_is_released() -> None:
    released: list[int] = []
    stage = Rate(1)
    for number in range(3):
        sample = Sample(_DATA, number, 0, release=lambda number=number: released.append(number))
        stage.push(sample)
    assert released == [1, 2]


def test_without_a_cap_everything_passes_until_one_is_set() -> None:
    stage = Rate()
    times = [n / 100 for n in range(100)]
    assert passed(stage, times) == times
    stage.set_rate(10)
    assert stage.hz == 10
    assert len(passed(stage, [1 + time for time in times])) in (10, 11)
    stage.set_rate(None)
    assert len(passed(stage, [2 + time for time in times])) == 100


def test_the_cap_it_was_made_with_is_never_exceeded() -> None:
    stage = Rate(10)
    stage.set_rate(50)
    assert stage.hz == 10
    stage.set_rate(2)
    assert stage.hz == 2
    stage.set_rate(None)
    assert stage.hz == 10


def test_a_cap_that_is_raised_holds_from_its_own_next_period() -> None:
    stage = Rate()
    stage.set_rate(0.001)
    assert passed(stage, [0.0, 1.0]) == [0.0]
    stage.set_rate(10)
    assert passed(stage, [1.1, 1.2, 1.3]) != []


def test_a_gap_gives_no_right_to_a_burst() -> None:
    stage = Rate(1)
    assert passed(stage, [0.0]) == [0.0]
    stage.reset()
    assert passed(stage, [0.1]) == []


@given(
    st.lists(st.floats(0, 0.5), max_size=200),
    st.floats(0.5, 50),
)
@settings(deadline=None)
def test_no_more_than_the_cap_pass_and_none_too_close(steps_s: list[float], hz: float) -> None:
    times = passed(Rate(hz), np.cumsum(steps_s).tolist())
    for start in range(len(times)):
        for end in range(start, len(times)):
            assert end - start <= (times[end] - times[start]) * hz + 0.5 + 1e-6
    assert all(np.diff(times) >= 0.5 / hz - 1e-6)


@given(st.lists(st.floats(0.001, 0.5), min_size=1, max_size=200), st.floats(0.5, 50))
@settings(deadline=None)
def test_it_passes_what_it_may(steps_s: list[float], hz: float) -> None:
    times = np.cumsum(steps_s).tolist()
    found = passed(Rate(hz), times)
    for held in set(times) - set(found):
        before = [time for time in found if time < held]
        assert before
        assert held - before[-1] < 1 / hz
