"""Writes down what was decided by which model version: append-only, and bounded in size."""

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.messaging.outbox_store import DamagedStore, set_aside
from edgekit.messaging.outbox_trouble import is_damaged, why_not_stored
from edgekit.messaging.refusals import Complaints
from edgekit.pipeline.decision_records import (
    APPLICATION_ID,
    COLUMNS,
    SCHEMA_VERSION,
    TABLE,
    Row,
    row_of,
)
from edgekit.pipeline.parts import Event

log = logging.getLogger(__name__)

_BATCH_S = 1.0
_MOST_WAITING = 10_000
_RETRY_S = 5.0
_INSERT = f"INSERT INTO decisions ({COLUMNS}) VALUES ({', '.join('?' * len(COLUMNS.split(',')))})"


class DecisionLog:
    """Takes events from any thread without waiting, and writes them in batches, a second apart.

    The newest second is lost with the power; the file stays whole. Where the disk takes nothing
    that is said, and what comes meanwhile is dropped and counted.

    Attributes:
        written: how many decisions are in the file, of those that were given.
        dropped: how many are not and will not be.
    """

    def __init__(
        self, path: Path, *, max_bytes: int = 16 * 1024 * 1024, batch_s: float = _BATCH_S
    ) -> None:
        """Prepares the log; the `with` block opens the file.

        Args:
            path: the file; its folder is there.
            max_bytes: how large it grows; then the oldest decisions make room.
            batch_s: how long to gather before each writing.
        """
        self.written = self.dropped = 0
        self._path = path
        self._max_bytes = max_bytes
        self._batch_s = batch_s
        self._waiting: list[Row] = []
        self._changed = threading.Condition()
        self._is_closing = False
        self._file: sqlite3.Connection | None = None
        self._retry_at_s = 0.0
        self._is_in_trouble = False
        self._complaints = Complaints(log)
        self._thread = threading.Thread(target=self._run, name="decisions", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(5.0)

    def record(self, event: Event) -> None:
        """Notes an event; it is on the disk about a second later."""
        row = row_of(event)
        with self._changed:
            if len(self._waiting) >= _MOST_WAITING:
                self.dropped += 1
                return
            self._waiting.append(row)
            if len(self._waiting) == 1:
                self._changed.notify()

    # What follows runs on the log's own thread.

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                self._changed.wait_for(lambda: self._is_closing, self._batch_s)
                rows, self._waiting = self._waiting, []
                is_last = self._is_closing
            if rows:
                self._write(rows, is_last=is_last)
            if is_last:
                self._close()
                return

    def _write(self, rows: list[Row], *, is_last: bool) -> None:
        if time.monotonic() < self._retry_at_s and not is_last:
            self.dropped += len(rows)
            return
        for is_first_try in (True, False):
            try:
                self._append(rows)
                return
            except (sqlite3.Error, UnicodeDecodeError, DamagedStore, OSError) as error:
                self._close()
                if is_first_try and (is_damaged(error) or isinstance(error, DamagedStore)):
                    self._begin_anew(error)
                    continue
                self._give_up(error, len(rows))
                return

    def _append(self, rows: list[Row]) -> None:
        if self._file is None:
            self._file = _opened(self._path)
        self._file.execute("BEGIN IMMEDIATE")
        self._file.executemany(_INSERT, rows)
        self._make_room(self._file)
        self._file.execute("COMMIT")
        self.written += len(rows)
        if self._is_in_trouble:
            log.info("the decision log %s is written again", self._path)
            self._is_in_trouble = False

    def _make_room(self, file: sqlite3.Connection) -> None:
        """Deletes the oldest tenth until what is in use fits."""
        while _used_bytes(file) > self._max_bytes:
            first, last = file.execute("SELECT min(id), max(id) FROM decisions").fetchone()
            if first is None or first == last:
                return
            upto = first + max(1, (last - first) // 10)
            file.execute("DELETE FROM decisions WHERE id < ?", (upto,))

    def _begin_anew(self, error: Exception) -> None:
        try:
            aside = set_aside(self._path)
            log.error("%s is damaged (%s): kept as %s, begun anew", self._path, error, aside)
        except OSError as trouble:
            log.error("%s is damaged (%s) and cannot be renamed: %s", self._path, error, trouble)

    def _give_up(self, error: Exception, count: int) -> None:
        self.dropped += count
        self._retry_at_s = time.monotonic() + _RETRY_S
        self._is_in_trouble = True
        reason = why_not_stored(error, self._path.parent)
        self._complaints.make(
            reason, f"the decision log {self._path} is not written: {reason} (trying on)"
        )

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class DecisionSink:
    """A pipeline's way to the decision log. Owns nothing."""

    def __init__(self, decisions: DecisionLog) -> None:
        self._decisions = decisions

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The log is closed by whoever opened it."""

    def send(self, event: Event) -> bool:
        """Notes an event; the log counts what it drops."""
        self._decisions.record(event)
        return True


@contextmanager
def open_decisions(path: Path, *, max_bytes: int = 16 * 1024 * 1024) -> Iterator[DecisionLog]:
    """A decision log in a file, for as long as the block runs. Never raises for the file."""
    with DecisionLog(path, max_bytes=max_bytes) as decisions:
        yield decisions


def _used_bytes(file: sqlite3.Connection) -> int:
    pages, free, size = (
        file.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _opened(path: Path) -> sqlite3.Connection:
    """The file, new or checked.

    Raises:
        DamagedStore: it is not a whole decision log of this version.
        sqlite3.Error: it cannot be used now.
    """
    file = sqlite3.connect(path, isolation_level=None, timeout=1.0)
    try:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        file.execute("PRAGMA journal_size_limit = 1048576")
        marks = [
            file.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        ]
        if not file.execute("SELECT 1 FROM sqlite_master").fetchone():
            with closing(file.cursor()) as cursor:
                cursor.execute("BEGIN IMMEDIATE")
                cursor.execute(TABLE)
                cursor.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                cursor.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                cursor.execute("COMMIT")
        elif marks != [APPLICATION_ID, SCHEMA_VERSION]:
            raise DamagedStore(f"it is not a decision log of version {SCHEMA_VERSION}")
        if (found := file.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise DamagedStore(found.replace("\n", " "))
    except BaseException:
        file.close()
        raise
    return file
