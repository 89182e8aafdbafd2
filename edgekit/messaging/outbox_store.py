"""The outbox's file: SQLite, and nothing but storing."""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated, Self

import msgspec

from edgekit.messaging.outbox_clock import ClockState
from edgekit.messaging.outbox_message import Letter, Priority, Stored

SCHEMA_VERSION = 1
_APPLICATION_ID = 0x656B6F62  # "ekob"
_LARGEST_ID = 2**62
_CHECKPOINT_PAGES = 1000
_WAL_LIMIT_BYTES = 8 * 1024 * 1024
_TABLES = """
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    priority INTEGER NOT NULL,
    expires_s REAL NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX by_priority ON messages (priority, id);
CREATE TABLE clock (only INTEGER PRIMARY KEY CHECK (only = 1), next_id INTEGER, state BLOB);
"""


class _Row(msgspec.Struct, array_like=True):
    """A message as SQLite has it: whatever a damaged file says it is."""

    topic: Annotated[str, msgspec.Meta(pattern=r"\A[^+#\0]+\Z")]
    payload: bytes
    priority: Priority
    id: int
    expires_s: float

    def stored(self) -> Stored:
        fields = (self.topic, self.payload, self.priority, self.id, self.expires_s)
        return Stored(*fields, is_late=True)


class DamagedStore(Exception):
    """The file is not a whole outbox of this version."""


class OutboxStore:
    """One connection to the file, of one thread. Every error but a damaged file is `sqlite3`'s.

    Attributes:
        next_id: the id of the next message.
        clock: what the outbox's clock kept.
        bytes_by_priority: how much is stored, as `Letter.size_bytes` counts.
        count: how many messages are stored.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it.

        Raises:
            DamagedStore: the file is not a whole outbox of this version.
            sqlite3.Error: the file cannot be used now.
        """
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=0.5)
        try:
            self._prepare()
            last = self._connection.execute("SELECT max(id) FROM messages").fetchone()[0] or 0
            row = self._connection.execute("SELECT next_id, state FROM clock").fetchone()
            kept_id, self.clock = row[0], msgspec.json.decode(row[1], type=ClockState)
            self.next_id: int = max(last + 1, kept_id)
            if not 0 < self.next_id < _LARGEST_ID:
                raise DamagedStore(f"the id {self.next_id} cannot be")
            self.count, self.bytes_by_priority = self._measure()
            self._before = self.next_id, self.count, dict(self.bytes_by_priority)
        except (sqlite3.OperationalError, sqlite3.ProgrammingError):
            self._connection.close()
            raise
        except (sqlite3.DatabaseError, msgspec.MsgspecError, TypeError, ValueError) as error:
            self._connection.close()
            raise DamagedStore(str(error)) from error
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets the file go; what is not committed is undone."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def begin(self) -> None:
        """What follows is kept whole or not at all."""
        self._before = self.next_id, self.count, dict(self.bytes_by_priority)
        self._connection.execute("BEGIN IMMEDIATE")

    def roll_back(self) -> None:
        """Undoes everything since `begin`.

        Raises:
            sqlite3.Error: the connection is of no use any more.
        """
        self.next_id, self.count, self.bytes_by_priority = self._before
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def commit(self, clock: ClockState) -> None:
        """Returns when everything since `begin` is on the disk."""
        self._connection.execute(
            "UPDATE clock SET next_id = ?, state = ?", (self.next_id, msgspec.json.encode(clock))
        )
        self._connection.execute("COMMIT")

    def add(self, letters: Sequence[tuple[Letter, float]]) -> list[Stored]:
        """Appends messages, each with the time at which it expires."""
        stored = [
            Stored(letter.topic, letter.payload, letter.priority, self.next_id + place, expires_s)
            for place, (letter, expires_s) in enumerate(letters)
        ]
        self._connection.executemany(
            "INSERT INTO messages VALUES (?, ?, ?, ?, ?)",
            [(each.id, each.priority, each.expires_s, each.topic, each.payload) for each in stored],
        )
        self.next_id += len(stored)
        for each in stored:
            self.count += 1
            self.bytes_by_priority[each.priority] += each.size_bytes
        return stored

    def remove(self, ids: Iterable[int]) -> None:
        """Deletes messages; those that are not there are passed over."""
        gone = self._connection.execute
        for message_id in ids:
            found = gone(
                "DELETE FROM messages WHERE id = ? RETURNING priority, topic, length(payload)",
                (message_id,),
            ).fetchone()
            if found is None:
                continue
            try:
                priority, size = Priority(found[0]), _overhead(found[1]) + found[2]
            except (AttributeError, TypeError, ValueError) as error:
                raise DamagedStore(f"a message cannot be: {error}") from error
            self.count -= 1
            self.bytes_by_priority[priority] -= size

    def oldest(self, priority: Priority, limit: int) -> list[tuple[int, float, int]]:
        """The first ids of a priority, each with its expiry and its size in bytes."""
        rows = self._connection.execute(
            "SELECT id, expires_s, topic, length(payload) FROM messages INDEXED BY by_priority "
            "WHERE priority = ? ORDER BY id LIMIT ?",
            (priority, limit),
        )
        try:
            return [
                (message_id, float(expires_s), _overhead(topic) + length)
                for message_id, expires_s, topic, length in rows
            ]
        except (AttributeError, TypeError, ValueError) as error:
            raise DamagedStore(f"a message cannot be: {error}") from error

    def between(self, after_id: int, before_id: int, limit: int) -> list[Stored]:
        """Messages in the order of their ids, both ends left out; all of them late.

        Raises:
            DamagedStore: one of them cannot be.
        """
        rows = self._connection.execute(
            "SELECT topic, payload, priority, id, expires_s FROM messages "
            "WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
            (after_id, before_id, limit),
        )
        try:
            return [msgspec.convert(row, _Row, strict=True).stored() for row in rows]
        except msgspec.ValidationError as error:
            raise DamagedStore(str(error)) from error

    def oldest_id(self) -> int:
        """The first id, or the next one where nothing is stored."""
        found = self._connection.execute("SELECT min(id) FROM messages").fetchone()[0]
        return self.next_id if found is None else found

    def _prepare(self) -> None:
        run = self._connection.execute
        run("PRAGMA locking_mode = EXCLUSIVE")  # one daemon a file; spares the shared memory
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        run(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        application, version = (
            run(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if (application, version) == (0, 0) and not run("SELECT 1 FROM sqlite_master").fetchone():
            run("BEGIN IMMEDIATE")
            for statement in _TABLES.split(";"):
                run(statement)
            run("INSERT INTO clock VALUES (1, 1, ?)", (msgspec.json.encode(ClockState()),))
            run(f"PRAGMA application_id = {_APPLICATION_ID}")
            run(f"PRAGMA user_version = {SCHEMA_VERSION}")
            run("COMMIT")
        elif application != _APPLICATION_ID:
            raise DamagedStore("it is not an outbox")
        elif version != SCHEMA_VERSION:
            raise DamagedStore(f"its version is {version}, this edgekit writes {SCHEMA_VERSION}")
        run("BEGIN IMMEDIATE")  # takes the lock for good: a second daemon learns of it here
        run("COMMIT")
        check = "PRAGMA integrity_check(1)"
        if run(check).fetchone()[0] != "ok":
            run("REINDEX")  # where only that is wrong, nothing is lost
            if (found := run(check).fetchone()[0]) != "ok":
                raise DamagedStore(found.replace("\n", " "))

    def _measure(self) -> tuple[int, dict[Priority, int]]:
        sizes, count = dict.fromkeys(Priority, 0), 0
        overhead = _overhead("")
        for priority, messages, size in self._connection.execute(
            "SELECT priority, count(*), sum(length(CAST(topic AS BLOB)) + length(payload)) "
            "FROM messages GROUP BY priority"
        ):
            count += messages
            sizes[Priority(priority)] = size + messages * overhead
        return count, sizes


def _overhead(topic: str) -> int:
    """What a message counts beside its payload, which need not be read for that."""
    return Letter(topic, b"", Priority.EVENT).size_bytes


def set_aside(path: Path) -> Path:
    """Renames a damaged file and what belongs to it; one that was set aside before is replaced.

    Raises:
        OSError: the folder cannot be written to.
    """
    aside = path.with_name(path.name + ".damaged")
    for ending in ("-wal", "-shm", ""):
        file = path.with_name(path.name + ending)
        kept = aside.with_name(aside.name + ending)
        if file.exists():
            file.replace(kept)
        else:
            kept.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return aside


def mistakes_in(path: Path) -> Sequence[str]:
    """What `PRAGMA integrity_check` finds wrong with a file that nobody has open."""
    with closing(sqlite3.connect(path)) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    return [] if found == ["ok"] else found
