"""Reads rows of sensor readings from a CSV file, one at a time: a file may be of any size."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError

if TYPE_CHECKING:
    from _csv import Reader

_LONGEST_LINE = 1_000_000


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        values: float64 `[columns]`, finite, in the order that was asked for.
        taken_at_ms: milliseconds since 1970 UTC, where a time column was named.
        line: its line in the file; the header is line 1.
    """

    values: Array
    taken_at_ms: int | None
    line: int


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used, and one line that says why and where."""

    line: int
    reason: str


class CsvRows:
    """The rows of a CSV file with a header (RFC 4180), read as they are asked for.

    Args:
        path: the file, UTF-8.
        columns: which columns, in which order; by default every column whose first value is a
            number, without the time column.
        time_column: the column with the time of a row, ISO 8601; without an offset it is UTC.
    """

    def __init__(
        self, path: Path, columns: tuple[str, ...] | None, time_column: str | None = None
    ) -> None:
        self._path = path
        self._columns = columns
        self._time_column = time_column

    def __iter__(self) -> Iterator[Row | BadRow]:
        """Each row, or why it cannot be used.

        Raises:
            InputError: the file cannot be read, is no CSV file, or lacks a column.
        """
        for header, line, fields in self._lines():
            yield fields if isinstance(fields, BadRow) else self._row(header, line, fields)

    def columns(self) -> tuple[str, ...]:
        """The columns that the rows have.

        Raises:
            InputError: as above.
        """
        if self._columns is None:
            for header, _, fields in self._lines():
                if not isinstance(fields, BadRow) and len(fields) == len(header):
                    self._columns = self._numeric(header, fields)
                    break
            else:
                raise InputError(f"{self._path}: has a header but no row that fits it")
        return self._columns

    def _lines(self) -> Iterator[tuple[dict[str, int], int, list[str] | BadRow]]:
        """The header as positions, and each line that is not blank."""
        try:
            with self._path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(self._bounded(file), strict=True)
                header = self._header(reader)
                while (fields := self._next(reader)) is not None:
                    if isinstance(fields, BadRow) or "".join(fields).strip() or len(fields) > 1:
                        yield header, reader.line_num, fields
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{self._path}: is not UTF-8 text: {error.reason}") from error

    def _bounded(self, file: TextIO) -> Iterator[str]:
        """The lines of a file, of which none may fill the memory."""
        number = 0
        while line := file.readline(_LONGEST_LINE):
            number += 1
            if len(line) == _LONGEST_LINE:
                raise InputError(
                    f"{self._path}:{number}: is longer than {_LONGEST_LINE} characters; this is "
                    "no file of rows"
                )
            yield line

    def _header(self, reader: "Reader") -> dict[str, int]:
        names: list[str] | BadRow | None = []
        while names is not None and not isinstance(names, BadRow) and not "".join(names).strip():
            names = self._next(reader)
        if names is None:
            raise InputError(f"{self._path}: is empty; it needs a header and rows")
        if isinstance(names, BadRow):
            raise InputError(names.reason)
        names = [name.strip() for name in names]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"{self._path}: has two columns named {twice[:40]!r}; rename one")
        header = {name: position for position, name in enumerate(names)}
        self._require_columns(header)
        return header

    def _next(self, reader: "Reader") -> list[str] | BadRow | None:
        try:
            return next(reader, None)
        except csv.Error as error:
            return BadRow(reader.line_num, f"{self._path}:{reader.line_num}: is not CSV: {error}")

    def _require_columns(self, header: dict[str, int]) -> None:
        wanted = [*(self._columns or ()), *([self._time_column] if self._time_column else [])]
        for name in wanted:
            if name not in header:
                close = get_close_matches(name, header, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(header)}"
                hint = " ".join(hint.split())[:200]
                raise InputError(f"{self._path}: has no column {name!r}; {hint}")

    def _numeric(self, header: dict[str, int], fields: list[str]) -> tuple[str, ...]:
        names = tuple(
            name
            for name, position in header.items()
            if name != self._time_column
            and position < len(fields)
            and _number(fields[position]) is not None
        )
        if not names:
            raise InputError(f"{self._path}: has no column of numbers in its first row")
        return names

    def _row(self, header: dict[str, int], line: int, fields: list[str]) -> Row | BadRow:
        if len(fields) != len(header):
            reason = f"has {len(fields)} fields, the header has {len(header)}"
            return BadRow(line, f"{self._path}:{line}: {reason}")
        if self._columns is None:
            self._columns = self._numeric(header, fields)
        values = np.empty(len(self._columns))
        for position, name in enumerate(self._columns):
            text = fields[header[name]]
            number = _number(text)
            if number is None or not math.isfinite(number):
                shown = text.strip()[:40]
                reason = f"column {name!r} is {shown!r}, not a finite number"
                return BadRow(line, f"{self._path}:{line}: {reason}")
            values[position] = number
        if self._time_column is None:
            return Row(values, None, line)
        text = fields[header[self._time_column]]
        taken_at_ms = _milliseconds(text)
        if taken_at_ms is None:
            reason = (
                f"column {self._time_column!r} is {text[:40]!r}, not an ISO 8601 time since 1970"
            )
            return BadRow(line, f"{self._path}:{line}: {reason}")
        return Row(values, taken_at_ms, line)


def load_rows(
    path: Path, columns: tuple[str, ...] | None, time_column: str | None = None
) -> tuple[Array, tuple[str, ...]]:
    """All rows of a file: float64 `[N, columns]`, and the names of the columns.

    Raises:
        InputError: the file cannot be read, or any row cannot be used.
    """
    source = CsvRows(path, columns, time_column)
    rows = []
    for row in source:
        if isinstance(row, BadRow):
            raise InputError(row.reason)
        rows.append(row.values)
    if not rows:
        raise InputError(f"{path}: has a header but no rows")
    return np.stack(rows), source.columns()


def _number(text: str) -> float | None:
    """The number; Python's own `1_000` and other scripts' digits are none."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def _milliseconds(text: str) -> int | None:
    try:
        time = datetime.fromisoformat(text.strip())
        if time.tzinfo is None:
            time = time.replace(tzinfo=UTC)
        taken_at_ms = round(time.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return taken_at_ms if taken_at_ms >= 0 else None
