"""What a coordinator remembers: one SQLite file a job, true at every moment of a crash."""

import io
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.federated.coordinator.changes import Change
from edgekit.federated.coordinator.seats import Attempt, Seat, SeatState, Standing
from edgekit.federated.model import GlobalModel
from edgekit.federated.report import Round

_SCHEMA = 1
_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE models (version INTEGER PRIMARY KEY, arrays BLOB);
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY, version INTEGER, needed INTEGER, due_s REAL, state TEXT, why TEXT
);
CREATE TABLE seats (
    number INTEGER, board TEXT, version INTEGER, due_s REAL, boot TEXT, state TEXT, why TEXT,
    PRIMARY KEY (number, board)
) WITHOUT ROWID;
CREATE TABLE updates (
    number INTEGER, board TEXT, digest BLOB, message BLOB, fate TEXT, PRIMARY KEY (number, board)
);
CREATE INDEX updates_that_wait ON updates (number) WHERE fate IS NULL;
CREATE TABLE rounds (number INTEGER PRIMARY KEY, document BLOB);
CREATE TABLE changes (at_ms INTEGER, who TEXT, what TEXT);
"""
_INDEX_OF_BOARDS = "CREATE INDEX IF NOT EXISTS updates_of_boards ON updates (board, number)"

Fate = Literal["counted", "void"]


class Memory:
    """Remembers a job. For one thread of one process.

    Changes belong into a `together` block: they are all on the disk when it ends, or none is.
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

    @contextmanager
    def together(self) -> Iterator[None]:
        """All changes in the block, or none."""
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def fact(self, name: str) -> Any:
        """What was kept under a name; `None` where nothing was."""
        rows = self._rows("SELECT value FROM facts WHERE name = ?", name)
        return rows[0][0] if rows else None

    def keep_fact(self, name: str, value: str | bytes | float | None) -> None:
        """Keeps a value under a name."""
        self._do("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, value)

    def standing(self) -> Standing:
        """Where the job stands."""
        attempt = self._open_attempt()
        waits = self._rows("SELECT number, board FROM updates WHERE fate IS NULL ORDER BY 1, 2")
        (used,) = self._rows("SELECT max(number) FROM seats")[0]
        (tried,) = self._rows("SELECT max(number) FROM attempts")[0]
        (done,) = self._rows("SELECT count(*) FROM rounds")[0]
        (version,) = self._rows("SELECT max(version) FROM models")[0]
        failures = self._rows(
            "SELECT count(*) FROM attempts WHERE state = 'void' AND number > "
            "(SELECT coalesce(max(number), 0) FROM attempts WHERE state = 'counted')"
        )
        return Standing(
            version=version or 0,
            done=done,
            next_number=1 + max(used or 0, tried or 0),
            seats=self._open_seats(),
            attempt=attempt,
            failures=failures[0][0],
            buffer=() if attempt is not None else tuple((n, board) for n, board in waits),
        )

    def open_attempt(self, attempt: Attempt) -> None:
        """An attempt has begun."""
        row = (attempt.number, attempt.version, attempt.needed, attempt.due_s, "open", "")
        self._do("INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?)", *row)

    def close_attempt(self, number: int, fate: Fate, why: str = "") -> None:
        """An attempt is over, and with it all its seats; nothing where there is none."""
        self._do("UPDATE attempts SET state = ?, why = ? WHERE number = ?", fate, why, number)
        self._do("UPDATE seats SET state = 'over' WHERE number = ? AND state = 'open'", number)

    def keep_seat(self, seat: Seat) -> None:
        """Remembers a seat; a board that delivered, was refused or declined has it no more."""
        state = {"delivered": "delivered", "refused": "refused", "declined": "declined"}.get(
            seat.state, "open"
        )
        row = (seat.number, seat.board, seat.version, seat.due_s, seat.boot, state, seat.why)
        self._do("INSERT OR REPLACE INTO seats VALUES (?, ?, ?, ?, ?, ?, ?)", *row)

    def leave_seat(self, number: int, board: str) -> None:
        """A seat is over without an update."""
        sql = "UPDATE seats SET state = 'over' WHERE number = ? AND board = ? AND state = 'open'"
        self._do(sql, number, board)

    def keep_update(self, number: int, board: str, digest: bytes, message: bytes) -> None:
        """Remembers a good update."""
        self._do("INSERT INTO updates VALUES (?, ?, ?, ?, NULL)", number, board, digest, message)

    def digest(self, number: int, board: str) -> bytes | None:
        """The digest of the update that a board delivered in a round."""
        rows = self._rows(
            "SELECT digest FROM updates WHERE number = ? AND board = ?", number, board
        )
        return bytes(rows[0][0]) if rows else None

    def last_of(self, board: str) -> int | None:
        """The round of the last update that a board delivered."""
        (number,) = self._rows("SELECT max(number) FROM updates WHERE board = ?", board)[0]
        return None if number is None else int(number)

    def messages(self, updates: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str, bytes]]:
        """The updates as they came: round, board and message."""
        for number, board in updates:
            sql = "SELECT message FROM updates WHERE number = ? AND board = ? AND fate IS NULL"
            for (message,) in self._rows(sql, number, board):
                yield number, board, bytes(message)

    def spend_updates(self, updates: Iterable[tuple[int, str]], fate: Fate) -> None:
        """The updates were combined, or will not be; that they came is still remembered."""
        sql = "UPDATE updates SET message = NULL, fate = ? WHERE number = ? AND board = ?"
        for number, board in updates:
            self._do(sql, fate, number, board)

    def void_updates_of(self, number: int) -> None:
        """The updates of a round will not be combined."""
        sql = "UPDATE updates SET message = NULL, fate = 'void' WHERE number = ? AND fate IS NULL"
        self._do(sql, number)

    def count_updates(self, fate: Fate) -> int:
        """How many updates had this fate."""
        (count,) = self._rows("SELECT count(*) FROM updates WHERE fate = ?", fate)[0]
        return int(count)

    def delivered_lately(self) -> list[tuple[int, str]]:
        """Which boards may not have heard that their updates are safe: round and board."""
        return self._rows(
            "SELECT number, board FROM updates WHERE fate IS NULL OR number >= "
            "(SELECT coalesce(max(number), 0) FROM updates WHERE fate = 'counted') ORDER BY 1, 2"
        )

    def keep_model(self, model: GlobalModel) -> None:
        """Remembers a model and what its strategy remembers."""
        packed = io.BytesIO()
        arrays: dict[str, Any] = {f"p/{name}": array for name, array in model.parameters.items()}
        arrays |= {f"s/{name}": array for name, array in model.state.items()}
        np.savez(packed, **arrays)
        self._do("INSERT OR REPLACE INTO models VALUES (?, ?)", model.version, packed.getvalue())

    def model(self, version: int) -> GlobalModel:
        """A model that is still remembered.

        Raises:
            InputError: it is not.
        """
        rows = self._rows("SELECT arrays FROM models WHERE version = ?", version)
        if not rows:
            raise InputError(f"{self._path}: has no model of version {version}")
        with np.load(io.BytesIO(rows[0][0]), allow_pickle=False) as file:
            found: dict[str, Array] = {name: file[name] for name in file.files}
        return GlobalModel(
            {name[2:]: array for name, array in found.items() if name.startswith("p/")},
            version,
            {name[2:]: array for name, array in found.items() if name.startswith("s/")},
        )

    def drop_models(self, kept: Iterable[int]) -> None:
        """Forgets all models but these."""
        marks = [str(int(version)) for version in kept]
        self._do(f"DELETE FROM models WHERE version NOT IN ({', '.join(marks)})")

    def keep_round(self, one: Round) -> None:
        """Remembers what a round came to. A round is kept once: another of its number is a bug."""
        self._do("INSERT INTO rounds VALUES (?, ?)", one.number, msgspec.json.encode(one))

    def rounds(self) -> list[Round]:
        """What each round came to, the first one first."""
        rows = self._rows("SELECT document FROM rounds ORDER BY number")
        return [msgspec.json.decode(document, type=Round) for (document,) in rows]

    def keep_changes(self, changes: Sequence[Change]) -> None:
        """Adds lines to the history."""
        for change in changes:
            self._do("INSERT INTO changes VALUES (?, ?, ?)", change.at_ms, change.who, change.what)

    def changes(self, last: int = 1000) -> list[Change]:
        """The end of the history, oldest first."""
        rows = self._rows("SELECT at_ms, who, what FROM changes ORDER BY rowid DESC LIMIT ?", last)
        return [Change(*row) for row in reversed(rows)]

    def _open_attempt(self) -> Attempt | None:
        rows = self._rows(
            "SELECT number, version, needed, due_s FROM attempts WHERE state = 'open'"
        )
        return Attempt(*rows[0]) if rows else None

    def _open_seats(self) -> tuple[Seat, ...]:
        """Those of open rounds; without an attempt, those that have not delivered."""
        rows = self._rows(
            "SELECT s.board, s.number, s.version, s.due_s, s.boot, s.state, s.why, u.digest "
            "FROM seats s LEFT JOIN updates u ON u.number = s.number AND u.board = s.board "
            "WHERE s.state = 'open' OR s.number IN "
            "(SELECT number FROM attempts WHERE state = 'open') ORDER BY s.number"
        )
        seats = []
        for board, number, version, due_s, boot, state, why, digest in rows:
            now: SeatState = "accepted" if state in ("open", "over") else state
            now = now if digest is None else "delivered"
            seats.append(
                Seat(board, number, version, due_s, 0.0, now, boot, digest=digest or b"", why=why)
            )
        return tuple(seats)

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        with self._translated():
            return self._db.execute(sql, values).fetchall()

    def _do(self, sql: str, *values: Any) -> None:
        self._db.execute(sql, values)

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("BEGIN IMMEDIATE")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {_SCHEMA}")
        if version in (0, _SCHEMA):
            self._db.execute(_INDEX_OF_BOARDS)  # memories of earlier releases have none
        self._db.execute("COMMIT")
        if version not in (0, _SCHEMA):
            raise InputError(f"{self._path}: is of another edgekit; name another folder as state")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
            raise InputError(
                f"{self._path}: the job cannot be remembered there: {error}; name another folder "
                "as state"
            ) from error
