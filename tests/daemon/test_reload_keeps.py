"""A reload keeps what must not break: the ids of events, a refused reload's pipelines, the run."""

import json
from pathlib import Path

import pytest

from tests.broker import listening
from tests.daemon.process import lines, rows, settings, started, until
from tests.daemon.test_conversation import BOARD_TOPICS, Operator, next_at
from tests.samples import picture_bundle, video
from tools.private_broker import PrivateBroker

HALL = (
    '[pipelines.hall]\nbundle = "brightest"\nsinks = [{ kind = "jsonl", path = "hall.jsonl" }]\n'
    'source = { kind = "video", path = "v.avi", loop = true, realtime = true }\n'
)
RULE = (
    '[rules.bright]\nwhen = "hall.p >= 0"\nrepeat = true\ncooldown_s = 0.1\n'
    'sinks = [{ kind = "jsonl", path = "rule.jsonl" }]\n'
)


@pytest.fixture
def hall(tmp_path: Path) -> Path:
    """Settings with a pipeline that watches an endless video."""
    picture_bundle(tmp_path / "brightest")
    video(tmp_path / "v.avi")
    return settings(tmp_path, HALL)


def count(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def grows(path: Path) -> None:
    before = count(path)
    until(lambda: count(path) >= before + 5, f"more in {path.name}")


def test_a_pipeline_that_is_made_anew_does_not_give_an_id_twice(tmp_path: Path, hall: Path) -> None:
    with started(hall) as daemon:
        grows(tmp_path / "hall.jsonl")
        settings(tmp_path, HALL + 'stages = [{ kind = "rate", max_hz = 20 }]\n')
        daemon.reload()
        assert "made anew hall" in daemon.says("INFO: reloaded:")
        grows(tmp_path / "hall.jsonl")
        settings(tmp_path, rows(tmp_path).replace('"rows.csv"', '"rows.csv", follow = true'))
        daemon.reload()
        assert "stopped hall" in daemon.says("INFO: reloaded:")
        settings(tmp_path, HALL)
        daemon.reload()
        assert "started hall" in daemon.says("INFO: reloaded:")
        grows(tmp_path / "hall.jsonl")
        assert daemon.end() == 0
    told = [line["seq"] for line in lines(tmp_path / "hall.jsonl")]
    assert told == list(range(len(told)))


def test_a_sink_that_cannot_be_opened_leaves_every_pipeline_as_it_was(
    tmp_path: Path, hall: Path
) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    with started(hall) as daemon:
        grows(tmp_path / "hall.jsonl")
        settings(tmp_path, HALL.replace("hall.jsonl", "folder.jsonl"))
        daemon.reload()
        assert "cannot be written" in daemon.says("not reloaded")
        grows(tmp_path / "hall.jsonl")
        assert daemon.end() == 0


def test_a_rule_does_not_give_an_id_twice_either(tmp_path: Path, hall: Path) -> None:
    settings(tmp_path, HALL + RULE)
    with started(hall) as daemon:
        grows(tmp_path / "rule.jsonl")
        daemon.reload()
        daemon.says("INFO: reloaded:")
        grows(tmp_path / "rule.jsonl")
        assert daemon.end() == 0
    told = [line["seq"] for line in lines(tmp_path / "rule.jsonl")]
    assert told == list(range(len(told)))


@pytest.mark.broker
def test_a_commanded_reload_that_makes_the_only_pipeline_anew_does_not_end_the_daemon(
    tmp_path: Path, hall: Path, broker: PrivateBroker
) -> None:
    allow = '[commands]\nallow = ["reload"]\n'
    both = HALL.replace("sinks = [", 'sinks = [{ kind = "mqtt" }, ')
    with (
        listening(broker, BOARD_TOPICS) as listener,
        started(settings(tmp_path, both + allow, broker)),
        Operator(broker) as operator,
    ):
        next_at(listener, "infer/hall")
        for hz in range(11, 23):
            stage = f'stages = [{{ kind = "rate", max_hz = {hz} }}]\n'
            settings(tmp_path, both + stage + allow, broker)
            operator.tells("cmd/reload", {"id": f"r{hz}"})
            answer = json.loads(next_at(listener, f"res/reload/r{hz}"))
            assert answer["said"] == "made anew hall"
        grows(tmp_path / "hall.jsonl")
