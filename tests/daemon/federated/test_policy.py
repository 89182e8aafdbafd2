"""When a board takes part, and what it reads to know that."""

from dataclasses import replace
from datetime import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.config.federated import PolicyTable
from edgekit.daemon.federated.conditions import Busyness, on_mains
from edgekit.daemon.federated.policy import Conditions, is_within, objection
from edgekit.daemon.federated.readiness import Readiness
from edgekit.messaging.payloads import FederatedReady

FINE = Conditions(
    time(12, 0),
    samples=100,
    rounds_today=0,
    temperature_c=40.0,
    waiting=0,
    busy=0.2,
    on_mains=True,
)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, None),
        ({"temperature_c": 70.1}, "the processor is above 70 degrees Celsius"),
        ({"temperature_c": None, "busy": None, "on_mains": None}, None),
        ({"held_back": ("under-voltage",)}, "the processor is held back: under-voltage"),
        ({"on_mains": False}, "it runs on its battery"),
        ({"local": time(5, 59)}, "it takes part from 06:00 to 18:00 only"),
        ({"waiting": 5}, "more than 4 samples wait in its pipeline"),
        ({"busy": 0.91}, "its cores are busy above 90% with other work"),
        ({"samples": 31}, "it has fewer than 32 samples"),
        ({"rounds_today": 48}, "it has taken part in 48 rounds today"),
    ],
)
def test_a_board_takes_part_only_when_nothing_speaks_against_it(
    change: dict[str, Any], why: str | None
) -> None:
    policy = PolicyTable(hours="06:00-18:00")
    assert objection(policy, replace(FINE, **change)) == why


def test_a_training_goes_on_though_its_round_was_the_last_of_the_day() -> None:
    few = replace(FINE, samples=0, rounds_today=1000)
    assert objection(PolicyTable(), few) is not None
    assert objection(PolicyTable(), few, training=True) is None
    assert objection(PolicyTable(), replace(few, on_mains=False), training=True) is not None


_times = st.times().map(lambda t: t.replace(second=0, microsecond=0))


@given(start=_times, end=_times, now=_times)
def test_a_moment_is_within_some_hours_or_within_the_others(
    start: time, end: time, now: time
) -> None:
    one, other = (f"{a:%H:%M}-{b:%H:%M}" for a, b in ((start, end), (end, start)))
    if start == end:
        assert is_within(one, now)
    else:
        assert is_within(one, now) is not is_within(other, now)


def test_hours_may_span_midnight() -> None:
    night = "22:00-06:00"
    inside, outside = (time(22), time(0), time(5, 59)), (time(6), time(12), time(21, 59))
    assert [is_within(night, moment) for moment in (*inside, *outside)] == [True] * 3 + [False] * 3


def _supply(root: Path, name: str, **files: str) -> None:
    folder = root / "sys/class/power_supply" / name
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file).write_text(text + "\n")


@pytest.mark.parametrize(
    ("supplies", "mains"),
    [
        ({}, None),
        ({"AC": {"type": "Mains", "online": "1"}}, True),
        ({"AC": {"type": "Mains", "online": "0"}}, False),
        (
            {
                "AC": {"type": "Mains", "online": "0"},
                "BAT0": {"type": "Battery", "status": "Discharging"},
                "usb": {"type": "USB", "online": "1"},
            },
            True,
        ),
        ({"BAT0": {"type": "Battery", "status": "Discharging"}}, False),
        ({"BAT0": {"type": "Battery", "status": "Full"}}, True),
        ({"BAT0": {"type": "Battery", "status": "Unknown"}}, None),
        ({"pen": {"type": "Battery", "status": "Discharging", "scope": "Device"}}, None),
        ({"AC": {"type": "Mains"}}, None),
    ],
)
def test_mains_power_is_what_the_supplies_say(
    tmp_path: Path, supplies: dict[str, dict[str, str]], mains: bool | None
) -> None:
    for name, files in supplies.items():
        _supply(tmp_path, name, **files)
    assert on_mains(tmp_path) is mains


def test_a_thread_s_own_work_does_not_make_the_board_busy(tmp_path: Path) -> None:
    clock, own = [0.0], [0.0]
    stat = tmp_path / "proc/stat"
    stat.parent.mkdir()
    stat.write_text("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 2 3\n")
    busy = Busyness(lambda: own[0], root=tmp_path, clock_s=lambda: clock[0])
    assert busy.share() is None
    stat.write_text("cpu  250 0 150 1200 0 0 0 0 0 0\n")
    own[0], clock[0] = 1.5, 2.0
    assert busy.share() == pytest.approx(0.5 / 6)
    stat.write_text("nothing\n")
    clock[0] = 4.0
    assert busy.share() == pytest.approx(0.5 / 6)
    assert Busyness(lambda: 0.0, root=tmp_path / "gone").share() is None


def _ready(**more: Any) -> FederatedReady:
    given: dict[str, Any] = {"boot": "b", "step": "s", "willing": True, "samples": 100}
    return FederatedReady(**given | more)


def test_an_idle_board_says_little() -> None:
    told = Readiness()
    assert told.is_due(_ready(), 0.0)
    told.said(_ready(classes=(1.0, 2.0)), 0.0)
    assert not told.is_due(_ready(), 10_000.0)
    assert not told.is_due(_ready(samples=109), 10_000.0)
    assert not told.is_due(_ready(samples=120), 299.0)
    assert told.is_due(_ready(samples=120), 300.0)
    assert not told.is_due(_ready(willing=False, why="w"), 1.9)
    assert told.is_due(_ready(willing=False, why="w"), 2.0)
    told.forget()
    assert told.is_due(_ready(), 0.0)
