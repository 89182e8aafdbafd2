"""A running daemon follows changed settings and bundles, and drops no frame for it."""

import shutil
from pathlib import Path

import pytest

from tests.daemon.process import lines, rows, settings, started, until
from tests.samples import picture_bundle, video

HALL = (
    '[pipelines.hall]\nbundle = "brightest"\nsinks = [{ kind = "jsonl", path = "hall.jsonl" }]\n'
    'source = { kind = "video", path = "v.avi", loop = true, realtime = true }\n'
)


@pytest.fixture
def hall(tmp_path: Path) -> Path:
    """Settings with a pipeline that watches an endless video."""
    picture_bundle(tmp_path / "brightest")
    video(tmp_path / "v.avi")
    return settings(tmp_path, HALL)


def frames(tmp_path: Path) -> list[int]:
    """The numbers of the frames that were answered, in order."""
    return [int(line["origin"].split("#")[1]) for line in lines(tmp_path / "hall.jsonl")]


def has(tmp_path: Path, count: int, name: str = "hall.jsonl") -> bool:
    path = tmp_path / name
    return path.exists() and path.read_bytes().count(b"\n") >= count


def test_a_new_model_in_the_bundles_place_takes_over_between_two_frames(
    tmp_path: Path, hall: Path
) -> None:
    other = picture_bundle(tmp_path / "other", version="2.0.0")
    with started(hall) as daemon:
        until(lambda: has(tmp_path, 20), "twenty predictions")
        (tmp_path / "brightest").rename(tmp_path / "old")
        shutil.copytree(other.path, tmp_path / "brightest")
        daemon.reload()
        assert "swapped the model of hall" in daemon.says("INFO: reloaded:")
        count = len(frames(tmp_path))
        until(lambda: has(tmp_path, count + 20), "twenty more")
        assert daemon.end() == 0
    heard = lines(tmp_path / "hall.jsonl")
    assert frames(tmp_path) == list(range(len(heard)))  # none was dropped
    assert [line["seq"] for line in heard] == list(range(len(heard)))
    versions = [line["model"]["version"] for line in heard]
    assert versions == sorted(versions)
    assert set(versions) == {"1.0.0", "2.0.0"}


def test_pipelines_come_and_go_and_their_neighbours_never_notice(
    tmp_path: Path, hall: Path
) -> None:
    with started(hall) as daemon:
        until(lambda: has(tmp_path, 1), "a prediction")
        children = daemon.children
        settings(tmp_path, HALL + rows(tmp_path))
        daemon.reload()
        assert "started pump" in daemon.says("INFO: reloaded:")
        until(lambda: has(tmp_path, 10, "out.jsonl"), "the new pipeline's predictions")
        settings(tmp_path, HALL)
        daemon.reload()
        assert "stopped pump" in daemon.says("INFO: reloaded:")
        assert daemon.children == children
        count = len(frames(tmp_path))
        until(lambda: has(tmp_path, count + 5), "more predictions")
        assert daemon.end() == 0
    assert frames(tmp_path) == list(range(len(frames(tmp_path))))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("bundle =", "bundel ="), "did you mean bundle?"),
        (('"brightest"', '"gone"'), "no such folder"),
        (('"v.avi"', '"w.avi"'), "no such file"),
    ],
)
def test_settings_that_cannot_be_used_change_nothing(
    tmp_path: Path, hall: Path, change: tuple[str, str], says: str
) -> None:
    with started(hall) as daemon:
        good = hall.read_text()
        hall.write_text(good.replace(*change))
        daemon.reload()
        assert says in daemon.says("not reloaded")
        count = len(frames(tmp_path)) if has(tmp_path, 1) else 0
        until(lambda: has(tmp_path, count + 5), "more predictions")
        hall.write_text(good)
        daemon.reload()
        assert "nothing had changed" in daemon.says("INFO: reloaded:")
        assert daemon.end() == 0


def test_a_bundle_that_fails_its_self_test_does_not_take_over(tmp_path: Path, hall: Path) -> None:
    with started(hall) as daemon:
        model = tmp_path / "brightest" / "model.onnx"
        model.write_bytes(model.read_bytes()[:-1])
        daemon.reload()
        assert "model.onnx" in daemon.says("not reloaded")
        until(lambda: has(tmp_path, 20), "predictions")
        assert daemon.end() == 0


def test_what_a_reload_cannot_follow_is_said(tmp_path: Path, hall: Path) -> None:
    with started(hall) as daemon:
        hall.write_text(hall.read_text().replace('name = "board"', 'name = "other"'))
        daemon.reload()
        assert "[device] changed, which takes effect at the next start" in daemon.says(
            "INFO: reloaded:"
        )
