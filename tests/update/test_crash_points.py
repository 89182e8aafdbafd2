"""A board comes up with a whole bundle whenever the power fails.

A part of the disks that a cut may leave is tried here; `python -m tools.crash_points` tries all.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tools.crash_points.cutting import Cut, Record, recorded, survives, twice
from tools.crash_points.disk import Change, CrashDisk
from tools.crash_points.making import make_board, make_place
from tools.crash_points.scenario import FIRST, SECOND, Place

_EVERY, _EVERY_SECOND = 16, 37


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make_place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def record(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Record:
    folder = tmp_path_factory.mktemp("record")
    return recorded(place, make_board(place, folder / "board"), folder / "play")


def representative(record: Record) -> Iterator[Cut]:
    """Many cuts of the slots' own steps, and some of those where bundles are written."""
    for number, cut in enumerate(record.cuts()):
        if number % (_EVERY if "fetch" in cut.step else 4) == 0:
            yield cut


def test_every_cut_leaves_a_board_that_runs_what_was_promised_and_updates(
    place: Place, record: Record, tmp_path: Path
) -> None:
    broken = [
        f"point {cut.point} ({cut.step}): {why}"
        for cut in representative(record)
        if (why := survives(place, cut, tmp_path)) is not None
    ]
    assert not broken


def test_a_second_cut_while_it_recovers_is_survived_too(
    place: Place, record: Record, tmp_path: Path
) -> None:
    cut = next(cut for cut in record.cuts() if cut.step == "commit")
    again = list(twice(place, cut, tmp_path))[::_EVERY_SECOND]
    assert again
    assert not [why for each in again if (why := survives(place, each, tmp_path))]


def test_one_sync_that_is_left_out_is_found(place: Place, record: Record, tmp_path: Path) -> None:
    """The model finds what it is for: a model file that is committed but may not be there."""
    left_out = next(
        number
        for number, change in enumerate(record.changes)
        if (change.kind, change.path.name) == ("sync", "model.onnx")
    )
    changes = [*record.changes[:left_out], *record.changes[left_out + 1 :]]
    promises = [(at - (at > left_out), step, allowed) for at, step, allowed in record.promises]
    cuts = Record(record.start, changes, promises).cuts()
    trial = list(islice((cut for cut in cuts if cut.step == "begin its trial"), 8))
    assert trial[0].allowed == {SECOND}
    broken = [why for cut in trial if (why := survives(place, cut, tmp_path))]
    assert f"runs {FIRST}, which is none of {SECOND}" in broken


def test_what_was_not_synced_may_be_lost_cut_or_torn(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"old")
    disk = CrashDisk(tmp_path)
    for change in (
        Change("open", Path("new")),
        Change("empty", Path("new")),
        Change("piece", Path("new"), data=b"abcd"),
    ):
        disk.apply(change)
    left = [outcome.get("new") for outcome in disk.outcomes()]
    assert left == [None, b"", b"abcd", b"ab", b"ab\0\0"]
    disk.apply(Change("sync", Path("new")))
    assert [outcome.get("new") for outcome in disk.outcomes()] == [None, b"abcd"]
    disk.apply(Change("sync folder", Path()))
    disk.apply(Change("rename", Path("new"), to=Path("there")))
    assert list(disk.outcomes()) == [{"there": b"old", "new": b"abcd"}, {"there": b"abcd"}]


def test_a_removed_file_may_come_back_and_folders_forget_on_their_own(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x")
    disk = CrashDisk(tmp_path)
    disk.apply(Change("remove", Path("a/file")))
    disk.apply(Change("folder", Path("b/deep")))
    left = [(outcome["a"], outcome["b"]) for outcome in disk.outcomes()]
    assert left == [
        ({"file": b"x"}, {}),
        ({"file": b"x"}, {"deep": {}}),
        ({}, {}),
        ({}, {"deep": {}}),
    ]
