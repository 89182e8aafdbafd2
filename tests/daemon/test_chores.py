"""What is done again and again is done in its own time, and fails alone."""

import pytest

from edgekit.daemon.chores import Chores


def test_each_is_done_in_its_own_time() -> None:
    now, done = [0.0], []
    chores = Chores(clock_s=lambda: now[0])
    chores.add("often", 1.0, lambda: done.append("often"))
    chores.add("seldom", 2.5, lambda: done.append("seldom"))
    assert chores.do_due() == 1.0
    for _ in range(10):
        now[0] += 0.5
        chores.do_due()
    assert (done.count("often"), done.count("seldom")) == (5, 2)


def test_a_board_that_slept_does_not_catch_up() -> None:
    now, done = [0.0], []
    chores = Chores(clock_s=lambda: now[0])
    chores.add("often", 1.0, lambda: done.append("often"))
    now[0] = 3600.0
    assert chores.do_due() == 1.0
    assert done == ["often"]


def test_one_that_fails_does_not_end_the_others(caplog: pytest.LogCaptureFixture) -> None:
    now, done = [0.0], []
    chores = Chores(clock_s=lambda: now[0])
    chores.add("bad", 1.0, lambda: 1 / 0)
    chores.add("good", 1.0, lambda: done.append("good"))
    now[0] = 1.0
    chores.do_due()
    assert done == ["good"]
    assert "bug in the chore bad" in caplog.text


def test_an_interval_can_change() -> None:
    now, done = [0.0], []
    chores = Chores(clock_s=lambda: now[0])
    chores.add("chore", 60.0, lambda: done.append("chore"))
    chores.set_interval("chore", 1.0)
    now[0] = 1.0
    chores.do_due()
    assert done == ["chore"]
