"""What happens to a daemon in the field: cameras hang and die, heat, many pipelines."""

import os
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest

from edgekit.config.thermal import ThermalSettings
from edgekit.daemon.cooling import Cooling
from edgekit.daemon.rates import RateControl
from edgekit.pipeline.capture.shm import ShmWriter
from tests.daemon.process import lines, settings, started, until
from tests.samples import picture_bundle, video


@pytest.mark.parametrize("harm", [signal.SIGKILL, signal.SIGSTOP])
def test_a_camera_process_that_dies_or_hangs_comes_back_alone(
    tmp_path: Path, harm: signal.Signals
) -> None:
    picture_bundle(tmp_path / "brightest")
    video(tmp_path / "v.avi")
    text = (
        '[pipelines.door]\nbundle = "brightest"\nsinks = [{ kind = "jsonl", path = "door" }]\n'
        'source = { kind = "shm", path = "pictures", stall_s = 1 }\n'
        '[pipelines.hall]\nbundle = "brightest"\nsinks = [{ kind = "jsonl", path = "hall" }]\n'
        'source = { kind = "video", path = "v.avi", loop = true, realtime = true }\n'
    )
    picture = np.zeros((24, 32, 3), np.uint8)
    with (
        ShmWriter(tmp_path / "pictures", height=24, width=32) as writer,
        started(settings(tmp_path, text)) as daemon,
    ):

        def answers(count: int) -> bool:
            writer.write(picture)
            path = tmp_path / "door"
            return path.exists() and len(lines(path)) >= count

        until(lambda: answers(3), "predictions")
        hurt = next(child for child in daemon.children if "pictures" in str(child.open_files()))
        os.kill(hurt.pid, harm)
        until(lambda: not psutil.pid_exists(hurt.pid), "the child's end")
        before = len(lines(tmp_path / "door"))
        until(lambda: answers(before + 3), "predictions after the harm")
        assert "again in" in daemon.says("pipeline door")
        assert daemon.end() == 0
    hall = [int(line["origin"].split("#")[1]) for line in lines(tmp_path / "hall")]
    assert hall == list(range(len(hall)))


def test_ten_pipelines_share_a_board(tmp_path: Path) -> None:
    picture_bundle(tmp_path / "brightest")
    video(tmp_path / "v.avi", frames=10)
    text = "".join(
        f'[pipelines.p{n}]\nbundle = "brightest"\n'
        f'sinks = [{{ kind = "jsonl", path = "o{n}" }}]\n'
        'source = { kind = "video", path = "v.avi" }\n'
        for n in range(10)
    )
    with started(settings(tmp_path, text)) as daemon:
        assert daemon.process.wait(60) == 0
    for number in range(10):
        assert [line["seq"] for line in lines(tmp_path / f"o{number}")] == list(range(10))


class Paced:
    hz: float | None = None

    def set_rate(self, hz: float | None) -> None:
        self.hz = hz


def test_a_hot_board_slows_its_pipelines_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    temperature_c = [60.0]
    cooling = Cooling(
        ThermalSettings(soft_c=70, hard_c=80, lowest=0.2),
        temperature_c=lambda: temperature_c[0],
        throttling=lambda: None,
        clock_s=lambda: 0.0,
    )
    paced = Paced()
    control = RateControl(paced, configured_hz=10.0, taken=lambda: 0)
    cooling.look([control])
    assert (cooling.factor, paced.hz) == (1.0, 10.0)
    temperature_c[0] = 85.0
    cooling.look([control])
    assert (cooling.factor, paced.hz) == (0.2, 2.0)
    assert "pipelines run at 20 % of their rates (85 degrees Celsius)" in caplog.text


def test_without_a_writable_state_directory_it_runs_and_says_so(tmp_path: Path) -> None:
    picture_bundle(tmp_path / "brightest")
    video(tmp_path / "v.avi", frames=5)
    (tmp_path / "file").write_text("no folder")
    text = (
        'state = "file/state"\n[pipelines.hall]\nbundle = "brightest"\n'
        'sinks = [{ kind = "jsonl", path = "o" }]\nsource = { kind = "video", path = "v.avi" }\n'
    )
    with started(settings(tmp_path, text)) as daemon:
        assert daemon.process.wait(60) == 0
        assert any("nothing is kept over a restart" in line for line in daemon.log)
    assert len(lines(tmp_path / "o")) == 5
