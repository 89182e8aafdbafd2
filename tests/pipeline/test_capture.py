"""The capture child: real pictures and videos, through real shared memory."""

import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.bundle import PictureRule
from edgekit.errors import Unavailable
from edgekit.pipeline.capture.settings import ImagesSettings, VideoSettings
from edgekit.pipeline.capture.source import CaptureSource
from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.pictures import read_picture
from tests.samples import pictures, video

RULE = PictureRule(height=8, width=8)


def test_every_picture_of_a_folder_comes_as_it_would_be_read_here(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p", count=9)
    with CaptureSource(ImagesSettings(path=folder), rule=RULE) as source:
        seen = {}
        for item in source.items():
            assert isinstance(item, Sample)
            seen[item.origin] = item.data.copy()
            item.release()
    assert sorted(seen) == [f"p{number:02d}.png" for number in range(9)]
    for name, data in seen.items():
        np.testing.assert_array_equal(data, read_picture(folder / name, RULE))


def test_an_unreadable_picture_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p", count=3)
    (folder / "p01.png").write_bytes(b"broken")
    with CaptureSource(ImagesSettings(path=folder), rule=RULE) as source:
        items = list(source.items())
    assert [type(item) for item in items] == [Sample, Refusal, Sample]
    assert "p01.png" in str(items[1])


def test_a_video_gives_its_frames_in_order(tmp_path: Path) -> None:
    path = video(tmp_path / "v.avi", frames=20)
    levels = []
    with CaptureSource(VideoSettings(path=path), rule=RULE) as source:
        for item in source.items():
            assert isinstance(item, Sample)
            levels.append(float(item.data.mean()))
            item.release()
    assert len(levels) == 20
    assert levels == sorted(levels)


@pytest.mark.parametrize("kind", [VideoSettings, ImagesSettings])
def test_a_source_that_is_not_there_is_unavailable(
    tmp_path: Path, kind: type[VideoSettings | ImagesSettings]
) -> None:
    with (
        CaptureSource(kind(path=tmp_path / "none.avi"), rule=RULE) as source,
        pytest.raises(Unavailable, match="none.avi"),
    ):
        list(source.items())


def test_the_child_waits_until_a_slot_is_given_back(tmp_path: Path) -> None:
    settings = ImagesSettings(path=pictures(tmp_path / "p", count=6))
    with CaptureSource(settings, rule=RULE) as source:
        items = source.items()
        held = [next(items) for _ in range(3)]
        first = np.array([item.data.copy() for item in held if isinstance(item, Sample)])
        again = np.array([item.data for item in held if isinstance(item, Sample)])
        np.testing.assert_array_equal(first, again)  # none was written over
        for item in held:
            assert isinstance(item, Sample)
            item.release()
        assert len(list(items)) == 3


def test_a_child_that_dies_is_noticed(tmp_path: Path) -> None:
    path = video(tmp_path / "v.avi", frames=10)
    with CaptureSource(VideoSettings(path=path, loop=True), rule=RULE) as source:
        items = source.items()
        next(items)
        os.kill(source.child_pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match="died"):
            for _ in items:
                pass


def test_stop_ends_an_endless_source(tmp_path: Path) -> None:
    path = video(tmp_path / "v.avi", frames=10)
    with CaptureSource(VideoSettings(path=path, loop=True, realtime=True), rule=RULE) as source:
        for item in source.items():
            assert isinstance(item, Sample)
            item.release()
            source.stop()
        pid = source.child_pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_files_wait_for_their_rate_and_none_is_lost(tmp_path: Path) -> None:
    settings = ImagesSettings(path=pictures(tmp_path / "p", count=6), max_hz=50)
    taken = []
    with CaptureSource(settings, rule=RULE) as source:
        for item in source.items():
            assert isinstance(item, Sample)
            taken.append(item.taken_at_ns)
            item.release()
    assert len(taken) == 6
    assert taken[-1] - taken[0] >= 4 / 50 * 1e9
    assert source.thinned == 0


def test_a_region_is_cut_from_the_picture_that_was_turned(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    whole = np.zeros((40, 60, 3), np.uint8)
    whole[30:40, 0:10] = (0, 0, 255)  # bottom left, red in BGR; top left once turned
    cv2.imwrite(str(folder / "a.png"), whole)
    settings = ImagesSettings(path=folder, rotate=90, region=(0, 0, 10, 10))
    with CaptureSource(settings, rule=RULE) as source:
        (item,) = list(source.items())
        assert isinstance(item, Sample)
        assert (item.data == (255, 0, 0)).all()


def test_a_region_that_leaves_a_picture_refuses_that_picture(tmp_path: Path) -> None:
    settings = ImagesSettings(path=pictures(tmp_path / "p", count=2), region=(0, 0, 500, 5))
    with CaptureSource(settings, rule=RULE) as source:
        items = list(source.items())
    assert len(items) == 2
    assert all(isinstance(item, Refusal) and "leaves the picture" in item.reason for item in items)
