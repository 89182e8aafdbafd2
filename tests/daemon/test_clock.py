"""A clock that jumps, lags and is set."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.daemon.clock import ClockKeeper


@dataclass
class Clocks:
    wall: float = 1_800_000_000.0
    monotonic: float = 50.0

    def pass_s(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


def keeper(folder: Path, clocks: Clocks) -> ClockKeeper:
    return ClockKeeper(
        folder / "clock",
        wall_s=lambda: clocks.wall,
        monotonic_s=lambda: clocks.monotonic,
        synchronised=folder / "synchronised",
    )


def test_a_clock_earlier_than_the_last_run_is_behind_until_it_is_set(tmp_path: Path) -> None:
    clocks = Clocks()
    keeper(tmp_path, clocks).tick()
    after_power_off = Clocks(wall=0.0)
    again = keeper(tmp_path, after_power_off)
    assert again.state == "behind"
    again.tick()
    assert (tmp_path / "clock").read_text() == "1800000000\n"  # a wrong time is not kept
    (tmp_path / "synchronised").touch()
    assert again.state == "synchronised"


def test_a_kept_time_that_was_in_the_future_does_not_stay(tmp_path: Path) -> None:
    keeper(tmp_path, Clocks(wall=4_000_000_000.0)).tick()
    (tmp_path / "synchronised").touch()
    keeper(tmp_path, Clocks()).tick()
    (tmp_path / "synchronised").unlink()
    assert keeper(tmp_path, Clocks(wall=1_800_000_001.0)).state == "unsynchronised"


def test_jumps_are_counted_and_slow_steering_is_not(tmp_path: Path) -> None:
    clocks = Clocks()
    kept = keeper(tmp_path, clocks)
    for _ in range(100):
        clocks.pass_s(1.0)
        clocks.wall += 0.01
        kept.tick()
    assert kept.jumps == 0
    for jump_s in (3600.0, -3600.0):
        clocks.wall += jump_s
        kept.tick()
        kept.tick()
    assert kept.jumps == 2


@given(st.binary(max_size=30))
def test_a_damaged_file_is_no_time(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("clock")
    (folder / "clock").write_bytes(data)
    assert keeper(folder, Clocks()).state in ("unsynchronised", "behind")


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    kept = ClockKeeper(tmp_path / "gone" / "clock")
    kept.tick()
    assert kept.state in ("synchronised", "unsynchronised")
