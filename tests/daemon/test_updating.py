"""A daemon that updates its bundles: tried on live frames, kept or given up, and no frame lost."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.bundle import Bundle
from edgekit.deploy.keys import KeyRing, make_keys
from edgekit.deploy.repository import Repository
from edgekit.messaging.payloads import decode_deploy_status
from tests.broker import listening
from tests.daemon.process import Daemon, lines, settings, started, until
from tests.daemon.test_conversation import BOARD_TOPICS, Operator
from tests.samples import picture_bundle, video
from tools.private_broker import PrivateBroker


class Workstation:
    """Signs bundles into a repository that a board trusts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repository"
        self._made = folder / "made"
        make_keys(folder / "keys", {}, passphrases=lambda role: b"many words")
        self._keys = KeyRing((folder / "keys",), lambda role: b"many words")
        self.repository = Repository(self.folder)
        self.root = self.repository.create(self._keys)

    def publishes(self, version: str, *, upside_down: bool = False) -> Bundle:
        bundle = picture_bundle(self._made / version, version=version, upside_down=upside_down)
        self.repository.add([bundle], self._keys)
        return bundle


@pytest.fixture
def workstation(tmp_path: Path) -> Workstation:
    return Workstation(tmp_path)


def board(tmp_path: Path, workstation: Workstation, broker: PrivateBroker | None = None) -> Path:
    """Settings of a board that watches an endless video, and waits five frames for a verdict."""
    if not (tmp_path / "brightest").exists():
        picture_bundle(tmp_path / "brightest")
        video(tmp_path / "v.avi")
    text = (
        'state = "state"\n[pipelines.hall]\nbundle = "brightest"\n'
        'source = { kind = "video", path = "v.avi", loop = true, realtime = true }\n'
        'sinks = [{ kind = "jsonl", path = "hall.jsonl" }]\n'
        f'[updates]\nrepository = "{workstation.folder}"\nroot = "{workstation.root}"\n'
        "canary = { window_s = 1, deadline_s = 30, min_samples = 3, max_latency_ratio = 100 }\n"
    )
    return settings(tmp_path, text, broker)


def wishes(tmp_path: Path, version: str, action: str = "install") -> None:
    """What who comes over SSH leaves for the board."""
    folder = tmp_path / "state" / "updates" / "hints"
    folder.mkdir(parents=True, exist_ok=True)
    hint = {"v": 1, "version": version, "action": action}
    (folder / "new").write_text(json.dumps(hint))
    (folder / "new").rename(folder / "brightest.json")


def awaits(tmp_path: Path, phase: str, version: str | None) -> Any:
    """Waits for a status of the update."""
    file = tmp_path / "state" / "updates" / "status" / "brightest.json"

    def status() -> Any:
        return decode_deploy_status(file.read_bytes()) if file.exists() else None

    until(
        lambda: (now := status()) is not None and (now.phase, now.version) == (phase, version),
        f"{phase} {version}",
    )
    return status()


def versions(tmp_path: Path) -> list[str]:
    return [line["model"]["version"] for line in lines(tmp_path / "hall.jsonl")]


def frames(tmp_path: Path) -> list[int]:
    return [int(line["origin"].split("#")[1]) for line in lines(tmp_path / "hall.jsonl")]


def test_a_good_release_is_tried_committed_and_outlives_a_kill_and_no_frame_is_lost(
    tmp_path: Path, workstation: Workstation
) -> None:
    workstation.publishes("1.1.0")
    config = board(tmp_path, workstation)
    with started(config) as daemon:
        wishes(tmp_path, "1.1.0")
        awaits(tmp_path, "committed", "1.1.0")
        until(lambda: versions(tmp_path)[-1] == "1.1.0", "answers of the new model")
        assert daemon.end() == 0
    assert frames(tmp_path) == list(range(len(frames(tmp_path))))
    (tmp_path / "hall.jsonl").unlink()
    with started(config) as daemon:
        until((tmp_path / "hall.jsonl").exists, "a prediction")
        until(lambda: bool((tmp_path / "hall.jsonl").read_bytes()), "a prediction")
        daemon.kill()
    assert set(versions(tmp_path)) == {"1.1.0"}


def test_a_release_that_answers_otherwise_is_rolled_back_with_the_reason(
    tmp_path: Path, workstation: Workstation
) -> None:
    workstation.publishes("1.1.0", upside_down=True)
    with started(board(tmp_path, workstation)) as daemon:
        wishes(tmp_path, "1.1.0")
        status = awaits(tmp_path, "rolled-back", "1.1.0")
        assert "its scores differ by" in status.reason or "agrees with" in status.reason
        assert status.running == "1.0.0"
        assert daemon.end() == 0
    assert set(versions(tmp_path)) == {"1.0.0"}


def test_a_hint_that_comes_again_after_a_rollback_keeps_the_reason(
    tmp_path: Path, workstation: Workstation
) -> None:
    workstation.publishes("1.1.0", upside_down=True)
    config = board(tmp_path, workstation)
    with started(config) as daemon:
        wishes(tmp_path, "1.1.0")
        first = awaits(tmp_path, "rolled-back", "1.1.0")
        assert daemon.end() == 0
    with started(config) as daemon:
        daemon.says("updates: brightest: rolled-back")
        assert awaits(tmp_path, "rolled-back", "1.1.0").reason == first.reason
        assert daemon.end() == 0


def test_a_version_that_nobody_signed_is_not_installed(
    tmp_path: Path, workstation: Workstation
) -> None:
    with started(board(tmp_path, workstation)):
        wishes(tmp_path, "9.0.0")
        status = awaits(tmp_path, "failed", "9.0.0")
        assert "no release of it" in status.reason


def test_a_kill_in_mid_trial_ends_in_a_verdict_at_the_next_start(
    tmp_path: Path, workstation: Workstation
) -> None:
    workstation.publishes("1.1.0")
    config = board(tmp_path, workstation)
    with started(config) as daemon:
        wishes(tmp_path, "1.1.0")
        awaits(tmp_path, "trial", "1.1.0")
        daemon.kill()
    with started(config) as daemon:
        awaits(tmp_path, "committed", "1.1.0")
        assert daemon.end() == 0


def test_an_operator_goes_back_to_what_was_committed_before(
    tmp_path: Path, workstation: Workstation
) -> None:
    config = board(tmp_path, workstation)
    with started(config) as daemon:
        for version in ("1.1.0", "1.2.0"):
            workstation.publishes(version)
            wishes(tmp_path, version)
            awaits(tmp_path, "committed", version)
        wishes(tmp_path, "1.2.0", "roll-back")
        status = awaits(tmp_path, "rolled-back", "1.2.0")
        assert status.running == "1.1.0"
        until(lambda: versions(tmp_path)[-1] == "1.1.0", "answers of the model before")
        assert daemon.end() == 0
    assert frames(tmp_path) == list(range(len(frames(tmp_path))))
    with started(config) as daemon:  # it finds the hint again, and does not go further back
        assert awaits(tmp_path, "idle", "1.2.0").running == "1.1.0"
        assert daemon.end() == 0


@pytest.mark.broker
def test_a_hint_over_the_broker_is_followed_and_told(
    tmp_path: Path, workstation: Workstation, broker: PrivateBroker
) -> None:
    workstation.publishes("1.1.0")
    config = board(tmp_path, workstation, broker)
    with (
        listening(broker, BOARD_TOPICS) as listener,
        started(config),
        Operator(broker) as operator,
    ):
        hint = {"version": "1.1.0", "rollout": "r1"}
        operator.tells("deploy/desired/brightest", hint, retain=True)
        phases, online = [], {}
        while not phases or phases[-1] != "committed":
            message = listener.next()
            if message.topic.endswith("board/status"):
                online = json.loads(message.payload)
            elif message.topic.endswith("deploy/status/brightest"):
                status = decode_deploy_status(message.payload)
                phases.append(status.phase)
        assert next(phase for phase in phases if phase != "idle") == "refreshing"
        assert "trial" in phases
        assert status.rollout == "r1"
        assert online["engines"]["hall"]["model"]["version"] == "1.1.0"


def test_a_damaged_repository_changes_nothing(tmp_path: Path, workstation: Workstation) -> None:
    workstation.publishes("1.1.0")
    shutil.rmtree(workstation.folder / "targets")
    with started(board(tmp_path, workstation)) as daemon:
        wishes(tmp_path, "1.1.0")
        assert awaits(tmp_path, "failed", "1.1.0").running == "1.0.0"
        count = len(frames(tmp_path))
        until(lambda: len(frames(tmp_path)) > count, "more predictions")
        assert daemon.end() == 0
    assert isinstance(daemon, Daemon)
    assert np.all(np.diff(frames(tmp_path)) == 1)
