"""Pictures are kept only where asked for, within room and age, and a full disk costs no more."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.daemon.pictures import Collecting, PictureStore

NOW_MS = 1_767_225_600_123
DAY_MS = 86_400_000


def _store(folder: Path, **changes: Any) -> PictureStore:
    options: dict[str, Any] = {"keep": "events", "now_s": lambda: NOW_MS / 1000}
    return PictureStore(folder, **(options | changes))


def _add(store: PictureStore, sequence: int = 1, **changes: Any) -> Path | None:
    fields: dict[str, Any] = {
        "data": b"x" * 1000,
        "why": "event",
        "pipeline": "door",
        "taken_ms": NOW_MS,
    }
    fields |= changes
    return store.add(fields.pop("data"), sequence=sequence, **fields)


def test_nothing_is_kept_unless_asked_for(tmp_path: Path) -> None:
    store = PictureStore(tmp_path / "p")
    for why in ("event", "anomaly"):
        assert _add(store, why=why) is None
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        ("none", ["collected"]),
        ("anomalies", ["anomaly", "collected"]),
        ("events", ["anomaly", "collected", "event"]),
    ],
)
def test_what_is_kept_is_what_the_policy_says(tmp_path: Path, keep: Any, kept: list[str]) -> None:
    store = _store(tmp_path, keep=keep)
    assert [why for why in ("anomaly", "collected", "event") if _add(store, why=why)] == kept


def test_the_policy_can_change_while_it_runs(tmp_path: Path) -> None:
    store = _store(tmp_path, keep="none")
    assert _add(store) is None
    store.keep = "events"
    assert _add(store) is not None


def test_a_file_is_named_by_time_pipeline_and_sequence_and_only_its_owner_reads_it(
    tmp_path: Path,
) -> None:
    path = _add(_store(tmp_path / "a" / "b"), 4711, data=b"\xff\xd8jpeg")
    assert path == tmp_path / "a" / "b" / "20260101T000000.123Z_door_4711.jpg"
    assert path.read_bytes() == b"\xff\xd8jpeg"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_oldest_leave_where_room_is_needed(tmp_path: Path) -> None:
    store = _store(tmp_path, max_mb=0.0035)
    for number in range(10):
        assert _add(store, number, taken_ms=NOW_MS + number)
    assert sorted(file.name.split("_")[2] for file in tmp_path.iterdir()) == [
        "7.jpg",
        "8.jpg",
        "9.jpg",
    ]
    assert (store.counts.files, store.counts.bytes) == (3, 3000)
    assert (store.counts.kept, store.counts.removed) == (10, 7)
    assert _add(store, data=b"x" * 3501) is None
    assert (store.counts.files, store.counts.skipped) == (3, 1)


def test_what_is_too_old_leaves_and_an_earlier_run_counts(tmp_path: Path) -> None:
    store = _store(tmp_path)
    for days in range(5):
        _add(store, days, taken_ms=NOW_MS - days * DAY_MS)
    again = _store(tmp_path, max_age_days=2.5)
    assert (again.counts.files, again.counts.removed) == (3, 2)
    later = [NOW_MS / 1000]
    again = _store(tmp_path, max_age_days=2.5, now_s=lambda: later[0])
    later[0] += 1.9 * 86_400
    again.tidy()
    assert [file.name.split("_")[2] for file in tmp_path.iterdir()] == ["0.jpg"]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "door.jpg", "20260101T000000.123Z_door_1.png"):
        (tmp_path / name).write_bytes(b"x" * 10_000)
    (tmp_path / "20200101T000000.123Z_door_1.jpg.new").write_bytes(b"half")
    (tmp_path / "20200101T000000.123Z_link_1.jpg").symlink_to(tmp_path / "notes.txt")
    store = _store(tmp_path, max_mb=0.002)
    assert store.counts.files == 0
    for number in range(5):
        _add(store, number)
    names = {file.name for file in tmp_path.iterdir()}
    assert {"notes.txt", "door.jpg", "20260101T000000.123Z_door_1.png"} <= names
    assert "20200101T000000.123Z_door_1.jpg.new" not in names
    assert "20200101T000000.123Z_link_1.jpg" in names


def test_the_same_picture_twice_is_one_file(tmp_path: Path) -> None:
    store = _store(tmp_path)
    _add(store, data=b"first")
    _add(store, data=b"second")
    assert (store.counts.files, store.counts.bytes) == (1, 6)


@pytest.fixture
def tiny_disk() -> Iterator[Path]:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk needs root")
    folder = Path(tempfile.mkdtemp(prefix="edgekit-tiny-"))
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("this machine mounts no tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def test_a_full_disk_skips_counts_says_so_once_and_recovers(
    tiny_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = _store(tiny_disk)
    (tiny_disk / "filler").write_bytes(b"x" * 40_000)
    results = [_add(store, number, data=b"x" * 8000) for number in range(6)]
    kept = [path for path in results if path is not None]
    assert 0 < len(kept) < 6
    assert store.counts.skipped == 6 - len(kept)
    assert caplog.text.count("No space left on device") == 1
    assert sorted(tiny_disk.iterdir()) == sorted([*kept, tiny_disk / "filler"])
    assert all(path.stat().st_size == 8000 for path in kept)
    (tiny_disk / "filler").unlink()
    assert _add(store, 9, data=b"x" * 8000) is not None


def test_collecting_counts_down_by_pipeline() -> None:
    collecting = Collecting()
    assert not collecting.take("door")
    collecting.order("door", 2)
    assert [collecting.take("door") for _ in range(3)] == [True, True, False]
    assert not collecting.take("pump")
    collecting.order("door", 5)
    assert collecting.left("door") == 5
    collecting.order("door", 0)
    assert not collecting.take("door")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(),
            st.integers(),
            st.integers(),
            st.integers(0, 2500),
            st.sampled_from(["jpg", "npy"]),
        ),
        max_size=12,
    )
)
def test_any_names_and_times_stay_in_the_folder_and_within_its_room(
    pictures: list[tuple[str, int, int, int, Any]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = _store(Path(folder), max_mb=0.002, max_age_days=1e9)
        for pipeline, sequence, taken_ms, size, suffix in pictures:
            path = store.add(
                b"x" * size,
                why="event",
                pipeline=pipeline,
                sequence=abs(sequence) % 2**63,
                taken_ms=taken_ms,
                suffix=suffix,
            )
            assert path is None or path.parent == Path(folder)
            assert path is None or re.fullmatch(r"[A-Za-z0-9._-]+", path.name)
        files = list(Path(folder).iterdir())
        assert sum(file.stat().st_size for file in files) == store.counts.bytes <= 2000
        again = _store(Path(folder), max_mb=0.002, max_age_days=1e9)
        assert (again.counts.files, again.counts.bytes) == (len(files), store.counts.bytes)
