"""The outbox keeps what it was given until it is confirmed, and says what it could not keep."""

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.messaging.outbox import Outbox, Priority, Stored
from edgekit.messaging.outbox_message import Letter
from edgekit.messaging.outbox_store import mistakes_in
from tests.broker import PATIENCE_S
from tests.messaging.linking import Said, hearing

_EVENT, _TELEMETRY = Priority.EVENT, Priority.TELEMETRY


class _Reader:
    """Takes what the outbox gives, as a link does."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._more = threading.Event()
        self.passed_by: list[Letter] = []
        outbox.attach(self._more.set, self._take_in)

    def _take_in(self, letter: Letter) -> bool:
        self.passed_by.append(letter)
        return True

    def next(self) -> Stored:
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            self._more.clear()
            if (message := self._outbox.take()) is not None:
                return message
            wait_s = self._outbox.wait_s()
            self._more.wait(PATIENCE_S if wait_s is None else max(wait_s, 0.001))
        pytest.fail(f"nothing came; {self._outbox.counts}")

    def payloads(self, count: int) -> list[bytes]:
        """Takes and confirms so many."""
        found = []
        for _ in range(count):
            message = self.next()
            found.append(message.outgoing)
            self._outbox.confirmed(message.id, 0)
        return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def told() -> Iterator[Said]:
    with hearing("edgekit.messaging") as heard:
        yield heard


def _fill(outbox: Outbox, numbers: range, priority: Priority = _EVENT) -> None:
    tickets = [outbox.put("t", b'{"n":%d}' % number, priority=priority) for number in numbers]
    assert all(ticket.wait(PATIENCE_S) for ticket in tickets)


def _wait(holds: Callable[[], bool]) -> None:
    """Until something that another thread does has come about."""
    ticking, deadline = threading.Event(), 2000
    while not holds() and deadline:
        ticking.wait(0.01)
        deadline -= 1
    assert holds()


def test_what_was_not_confirmed_is_there_after_a_restart_and_marked_late(path: Path) -> None:
    with Outbox(path) as outbox:
        reader = _Reader(outbox)
        outbox.connected(20)
        _fill(outbox, range(5))
        assert reader.payloads(2) == [b'{"n":0}', b'{"n":1}']
    with Outbox(path) as outbox:
        reader = _Reader(outbox)
        outbox.connected(20)
        assert reader.payloads(3) == [b'{"n":%d,"hist":true}' % number for number in (2, 3, 4)]
        _wait(lambda: outbox.is_empty)
        assert outbox.counts.backfilled == 3
    with Outbox(path) as outbox:
        _wait(lambda: outbox.is_empty)


def test_telemetry_is_gathered_and_goes_with_the_next_event(path: Path) -> None:
    with Outbox(path, gather_s=3600.0) as outbox:
        waiting = [outbox.put("t", b"{}", priority=_TELEMETRY) for _ in range(3)]
        assert not waiting[0].wait(0.05)
        assert outbox.counts.waiting == 3
        assert outbox.put("e", b"{}", priority=_EVENT).wait(PATIENCE_S)
        assert all(ticket.wait(PATIENCE_S) for ticket in waiting)
        last = outbox.put("t", b"{}", priority=_TELEMETRY)
    assert last.is_stored  # closing commits
    with Outbox(path, gather_s=0.05) as outbox:
        assert outbox.put("t", b"{}", priority=_TELEMETRY).wait(PATIENCE_S)


def test_ids_are_not_given_twice_though_all_was_delivered(path: Path) -> None:
    ids = []
    for _ in range(3):
        with Outbox(path) as outbox:
            reader = _Reader(outbox)
            outbox.connected(20)
            _fill(outbox, range(2))
            for _ in range(2):
                message = reader.next()
                ids.append(message.id)
                outbox.confirmed(message.id, 0)
    assert ids == [1, 2, 3, 4, 5, 6]


def test_several_writers_share_commits_and_lose_nothing(path: Path) -> None:
    with Outbox(path) as outbox:
        writers = [
            threading.Thread(target=_fill, args=(outbox, range(first, first + 100)))
            for first in (0, 100, 200, 300)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert outbox.counts.stored == outbox.counts.waiting == 400
    assert mistakes_in(path) == []


def test_telemetry_makes_room_before_events_and_each_is_counted(path: Path, told: Said) -> None:
    size = Letter("t", b'{"n":10}', _EVENT).size_bytes
    with Outbox(path, max_bytes=10 * size) as outbox:
        reader = _Reader(outbox)
        _fill(outbox, range(10, 14), _TELEMETRY)
        _fill(outbox, range(20, 26), _EVENT)
        _fill(outbox, range(30, 33), _EVENT)  # three of the telemetry go
        assert outbox.counts.dropped == {"full": 3}
        _fill(outbox, range(40, 43), _EVENT)  # the last telemetry, and two events
        assert outbox.counts.dropped == {"full": 6}
        assert not outbox.put("t", b'{"n":50}', priority=_TELEMETRY).wait(PATIENCE_S)
        assert outbox.counts.dropped == {"full": 7}
        assert outbox.counts.waiting_bytes <= 10 * size
        outbox.connected(20)
        kept = [json.loads(payload)["n"] for payload in reader.payloads(10)]
        assert kept == [22, 23, 24, 25, 30, 31, 32, 40, 41, 42]
        assert "is full" in told.first()
        assert len(told.lines) == 1


def test_a_message_larger_than_the_whole_outbox_is_dropped_at_once(path: Path) -> None:
    with Outbox(path, max_bytes=1000) as outbox:
        assert not outbox.put("t", b"x" * 1000, priority=_EVENT).wait(PATIENCE_S)
        assert outbox.counts.dropped == {"too large": 1}


def test_what_grows_too_old_is_not_sent_and_counted(path: Path) -> None:
    with Outbox(path, expiry_s={_EVENT: 3600.0, _TELEMETRY: 1e-9}) as outbox:
        _fill(outbox, range(3), _TELEMETRY)
        _fill(outbox, range(3, 5), _EVENT)
    with Outbox(path) as outbox:
        reader = _Reader(outbox)
        outbox.connected(20)
        assert [json.loads(payload)["n"] for payload in reader.payloads(2)] == [3, 4]
        assert outbox.counts.expired == 3
        _wait(lambda: outbox.is_empty)


def test_a_refused_message_is_dropped_and_one_without_room_comes_again(path: Path) -> None:
    with Outbox(path) as outbox:
        reader = _Reader(outbox)
        outbox.connected(20)
        _fill(outbox, range(2))
        outbox.confirmed(reader.next().id, 0x87)
        assert outbox.counts.dropped == {"refused": 1}
        outbox.confirmed(reader.next().id, 0x97)
        assert reader.payloads(1) == [b'{"n":1,"hist":true}']
        _wait(lambda: outbox.is_empty)
        assert outbox.counts.acknowledged == 1


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(path: Path, told: Said) -> None:
    with Outbox(path) as outbox:
        _fill(outbox, range(50))
    for damage in (b"not a database", path.read_bytes()[:5000], b"\0" * 8192):
        path.write_bytes(damage)
        with Outbox(path) as outbox:
            _fill(outbox, range(2))
        assert path.with_name("outbox.db.damaged").read_bytes() == damage
        assert mistakes_in(path) == []
    assert "is damaged" in told.first()
    assert "kept as" in told.first()


def test_a_file_with_damaged_pages_is_set_aside_too(path: Path) -> None:
    with Outbox(path, retry_s=0.01) as outbox:
        _fill(outbox, range(200))
    pages = bytearray(path.read_bytes())
    pages[4096 * 2 :] = b"\xff" * (len(pages) - 4096 * 2)
    path.write_bytes(pages)
    with Outbox(path, retry_s=0.01) as outbox:
        _Reader(outbox)
        _wait(lambda: outbox.put("t", b"{}", priority=_EVENT).wait(PATIENCE_S))
    assert path.with_name("outbox.db.damaged").exists()
    assert mistakes_in(path) == []


def test_a_file_of_a_later_version_is_set_aside(path: Path) -> None:
    with Outbox(path) as outbox:
        _fill(outbox, range(2))
    with sqlite3.connect(path) as later:
        later.execute("PRAGMA user_version = 99")
    later.close()
    with Outbox(path) as outbox:
        _wait(lambda: outbox.is_empty)
        _fill(outbox, range(2))
    assert path.with_name("outbox.db.damaged").exists()


def test_a_second_program_with_the_same_file_is_said_and_waits_for_it(
    path: Path, told: Said
) -> None:
    with Outbox(path) as first:
        _fill(first, range(2))
        with Outbox(path, retry_s=0.1) as second:
            reader = _Reader(second)
            assert not second.put("t", b"{}", priority=_EVENT).wait(PATIENCE_S)
            assert len(reader.passed_by) == second.counts.unstored == 1
            assert "is a second edgekitd running?" in told.first()
            first.close()
            _wait(lambda: second.trouble is None)
            _fill(second, range(2))


def test_a_folder_that_is_not_there_is_said_and_tried_again(tmp_path: Path, told: Said) -> None:
    folder = tmp_path / "state"
    with Outbox(folder / "outbox.db", retry_s=0.05) as outbox:
        reader = _Reader(outbox)
        assert not outbox.put("t", b"{}", priority=_EVENT).wait(PATIENCE_S)
        assert [letter.topic for letter in reader.passed_by] == ["t"]
        assert "is its folder there, and writable" in told.first()
        folder.mkdir()
        _wait(lambda: outbox.trouble is None)
        _fill(outbox, range(2))


@contextmanager
def _small_disk(folder: Path, *, size: str = "1m") -> Iterator[Path]:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk takes root")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_once_and_used_again_when_there_is_room(
    tmp_path: Path, told: Said
) -> None:
    with _small_disk(tmp_path / "disk") as disk, Outbox(disk / "o.db", retry_s=0.05) as outbox:
        reader = _Reader(outbox)
        _fill(outbox, range(3))
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        while outbox.put("t", b"y" * 3000, priority=_EVENT).wait(PATIENCE_S):
            pass  # room that SQLite had already
        assert outbox.counts.unstored == len(reader.passed_by) == 1
        assert "the disk is full" in told.first()
        for _ in range(3):
            outbox.put("t", b"z" * 300_000, priority=_EVENT).wait(PATIENCE_S)
        assert len(told.lines) == 1
        outbox.connected(20)
        assert len(reader.payloads(3)) == 3  # what is on a full disk can be sent
        ballast.unlink()
        _wait(lambda: outbox.put("t", b"{}", priority=_EVENT).wait(PATIENCE_S))


def test_a_disk_that_turns_read_only_is_said(tmp_path: Path, told: Said) -> None:
    with _small_disk(tmp_path / "disk") as disk:
        with Outbox(disk / "o.db") as outbox:
            _fill(outbox, range(2))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with Outbox(disk / "o.db", retry_s=0.05) as outbox:
            _Reader(outbox)
            assert not outbox.put("t", b"{}", priority=_EVENT).wait(PATIENCE_S)
            said = told.first()
            assert "its disk is read-only; mount it writable" in said
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            _wait(lambda: outbox.trouble is None)
            assert outbox.counts.waiting == 2


_damage = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1)


@given(_damage)
@settings(deadline=None, max_examples=60)
def test_whatever_a_damaged_file_holds_new_messages_are_stored(
    damage: list[tuple[float, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox.db"
        with Outbox(path) as outbox:
            _fill(outbox, range(40))
        content = bytearray(path.read_bytes())
        for share, byte in damage:
            content[int(share * len(content))] = byte
        path.write_bytes(bytes(content))
        with Outbox(path, retry_s=0.01, backfill_hz=10_000) as outbox:
            reader = _Reader(outbox)
            outbox.connected(20)
            _wait(lambda: outbox.put("new", b"{}", priority=_EVENT).wait(PATIENCE_S))
            while (message := reader.next()).topic != "new":
                outbox.confirmed(message.id, 0)
            outbox.confirmed(message.id, 0)
        assert mistakes_in(path) == []
