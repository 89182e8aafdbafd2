"""NAB's score, against what Lavin and Ahmad (2015) say of it."""

import numpy as np
import pytest

from edgekit.array import Array
from tools.bench.nab_scoring import Stream, first_of_each_run, judged, together

STREAM = Stream("made up", np.zeros((1000, 1)), ((300, 399), (700, 799)))


def alarms(*rows: int) -> Array:
    raised = np.zeros(1000, bool)
    raised[list(rows)] = True
    return raised


def test_nothing_said_is_0_and_each_window_found_at_its_start_is_100() -> None:
    assert judged(STREAM, alarms()).score == 0
    perfect = judged(STREAM, alarms(300, 700))
    assert perfect.score == pytest.approx(100, abs=0.2)
    assert (perfect.hits, perfect.false_alarms) == (2, 0)


def test_early_is_better_than_late_and_only_the_first_counts() -> None:
    early, late = judged(STREAM, alarms(310)), judged(STREAM, alarms(390))
    assert 50 > early.score > late.score > 0
    assert judged(STREAM, alarms(310, 390)) == early


def test_a_false_alarm_costs_11_hundredths_and_less_just_after_a_window() -> None:
    assert judged(STREAM, alarms(200)).points == pytest.approx(-2 - 0.11)
    assert judged(STREAM, alarms(402)).points == pytest.approx(-2 - 0.11 * 0.0756, abs=1e-3)
    assert judged(STREAM, alarms(990)).points == pytest.approx(-2 - 0.11, abs=1e-3)


def test_the_first_15_per_cent_are_not_judged() -> None:
    assert judged(STREAM, alarms(0, 149)) == judged(STREAM, alarms())
    assert judged(STREAM, alarms(150)).false_alarms == 1
    assert Stream("long", np.zeros((20_000, 1)), ()).probation == 750


def test_outcomes_add_up() -> None:
    both = together([judged(STREAM, alarms(300)), judged(STREAM, alarms(200))])
    assert (both.windows, both.hits, both.false_alarms) == (4, 1, 1)
    assert both.normal_rows == 2 * 650
    assert both.false_alarms_per_1000 == pytest.approx(1000 / 1300)


def test_a_run_of_alarms_is_one() -> None:
    kept = first_of_each_run(alarms(0, 1, 2, 40, 60, 200), quiet_rows=32)
    assert np.flatnonzero(kept).tolist() == [0, 40, 200]
    assert not first_of_each_run(alarms(), quiet_rows=32).any()
