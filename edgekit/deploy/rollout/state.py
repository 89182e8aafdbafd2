"""The workstation's own memory of rollouts: one SQLite file, for many of them."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edgekit.deploy.rollout.plan import Board
from edgekit.deploy.rollout.topics import Part
from edgekit.errors import InputError

_SCHEMA = 1
_TABLES = """
CREATE TABLE rollouts (
    broker TEXT, fleet TEXT, name TEXT, plan BLOB, wish BLOB, progress BLOB,
    PRIMARY KEY (broker, fleet, name)
);
CREATE TABLE boards (
    broker TEXT, fleet TEXT, rollout TEXT, board TEXT, hint TEXT, answer TEXT, phase TEXT,
    reason TEXT, PRIMARY KEY (broker, fleet, rollout, board)
) WITHOUT ROWID;
CREATE TABLE changes (
    broker TEXT, fleet TEXT, rollout TEXT, at_ms INTEGER, who TEXT, what TEXT
);
CREATE INDEX changes_of ON changes (broker, fleet, rollout);
"""


@dataclass(frozen=True)
class Change:
    """A line of a rollout's history.

    Attributes:
        at_ms: when, in milliseconds since 1970 UTC.
        who: the board; empty for the rollout as a whole.
        what: what became of it.
    """

    at_ms: int
    who: str
    what: str


@dataclass(frozen=True)
class Key:
    """Which rollout.

    Attributes:
        broker: its address.
        fleet: the fleet.
        name: the rollout's name.
    """

    broker: str
    fleet: str
    name: str

    @property
    def _values(self) -> tuple[str, str, str]:
        return self.broker, self.fleet, self.name


class Memory:
    """Remembers plans, boards and a history. For one thread; many processes may have it open.

    Broker and memory hold the same. Where they differ the broker is right: others write there too.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, and makes it where there is none.

        Raises:
            InputError: it cannot be opened, or is not one of ours.
        """
        self._path = path
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        try:
            with self._translated():
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._db.close()

    def keep(self, key: Key, part: Part, payload: bytes) -> None:
        """Remembers what was last said of a rollout."""
        sql = (
            f"INSERT INTO rollouts (broker, fleet, name, {part}) VALUES (?, ?, ?, ?) "
            f"ON CONFLICT DO UPDATE SET {part} = excluded.{part}"
        )
        with self._translated():
            self._db.execute(sql, (*key._values, payload))

    def keep_boards(self, key: Key, boards: Iterable[Board], changes: Iterable[Change]) -> None:
        """Remembers boards and lines of the history, all or none."""
        rows = [(*key._values, b.name, b.hint, b.answer, b.phase, b.reason) for b in boards]
        lines = [(*key._values, change.at_ms, change.who, change.what) for change in changes]
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    "INSERT OR REPLACE INTO boards VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
                )
                self._db.executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?)", lines)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def parts(self, key: Key) -> dict[Part, bytes]:
        """What was last said of a rollout; empty where it is unknown."""
        with self._translated():
            found = self._db.execute(
                "SELECT plan, wish, progress FROM rollouts "
                "WHERE broker = ? AND fleet = ? AND name = ?",
                key._values,
            ).fetchone()
        named: Mapping[Part, Any] = {}
        if found is not None:
            named = {"plan": found[0], "wish": found[1], "progress": found[2]}
        return {part: bytes(payload) for part, payload in named.items() if payload is not None}

    def boards(self, key: Key) -> dict[str, Board]:
        """The boards as they were seen last, by name."""
        with self._translated():
            rows = self._db.execute(
                "SELECT board, hint, answer, phase, reason FROM boards "
                "WHERE broker = ? AND fleet = ? AND rollout = ?",
                key._values,
            ).fetchall()
        return {
            name: Board(name, hint=hint, answer=answer, phase=phase, reason=reason)
            for name, hint, answer, phase, reason in rows
        }

    def changes(self, key: Key, last: int = 20) -> list[Change]:
        """The end of the history, oldest first."""
        with self._translated():
            rows = self._db.execute(
                "SELECT at_ms, who, what FROM changes "
                "WHERE broker = ? AND fleet = ? AND rollout = ? ORDER BY rowid DESC LIMIT ?",
                (*key._values, last),
            ).fetchall()
        return [Change(*row) for row in reversed(rows)]

    def forget(self, key: Key) -> None:
        """Forgets a rollout, its boards and its history."""
        with self._translated():
            for table, name in (
                ("rollouts", "name"),
                ("boards", "rollout"),
                ("changes", "rollout"),
            ):
                sql = f"DELETE FROM {table} WHERE broker = ? AND fleet = ? AND {name} = ?"
                self._db.execute(sql, key._values)

    def keys(self) -> list[Key]:
        """Every rollout, in the order in which they were begun here."""
        with self._translated():
            rows = self._db.execute("SELECT broker, fleet, name FROM rollouts ORDER BY rowid")
            return [Key(*row) for row in rows]

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # the broker has it too
        self._db.execute("BEGIN IMMEDIATE")
        with closing(self._db.execute("PRAGMA user_version")) as cursor:
            version = cursor.fetchone()[0]
        if version == 0:
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {_SCHEMA}")
        self._db.execute("COMMIT")
        if version not in (0, _SCHEMA):
            raise InputError(f"{self._path}: is of another edgekit; name another file with --state")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
            raise InputError(
                f"{self._path}: rollouts cannot be remembered there: {error}; "
                "name another file with --state"
            ) from error


def default_path(environment: Mapping[str, str], home: Path) -> Path:
    """Where a user's rollouts are remembered: below `$XDG_STATE_HOME`."""
    state = environment.get("XDG_STATE_HOME") or str(home / ".local" / "state")
    return Path(state) / "edgekit" / "rollouts.db"
