"""Reads rows of sensor readings from a CSV file, one at a time: a file may be of any size."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.pipeline.readings import number_in
from edgekit.pipeline.row_fields import BadRow, Row, header_of, row_of_fields

if TYPE_CHECKING:
    from _csv import Reader

__all__ = ["BadRow", "CsvRows", "Row", "load_rows"]

_LONGEST_LINE = 1_000_000


class CsvRows:
    """The rows of a CSV file with a header (RFC 4180), read as they are asked for.

    Args:
        path: the file, UTF-8.
        columns: which columns, in which order; by default every column whose first value is a
            number, without the time column.
        time_column: the column with the time of a row: ISO 8601, without an offset UTC; or
            seconds or milliseconds since 1970.
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
        wanted = [*(self._columns or ()), *([self._time_column] if self._time_column else [])]
        return header_of(str(self._path), names, wanted=wanted)

    def _next(self, reader: "Reader") -> list[str] | BadRow | None:
        try:
            return next(reader, None)
        except csv.Error as error:
            return BadRow(reader.line_num, f"{self._path}:{reader.line_num}: is not CSV: {error}")

    def _numeric(self, header: dict[str, int], fields: list[str]) -> tuple[str, ...]:
        names = tuple(
            name
            for name, position in header.items()
            if name != self._time_column
            and position < len(fields)
            and number_in(fields[position]) is not None
        )
        if not names:
            raise InputError(f"{self._path}: has no column of numbers in its first row")
        return names

    def _row(self, header: dict[str, int], line: int, fields: list[str]) -> Row | BadRow:
        if self._columns is None and len(fields) == len(header):
            self._columns = self._numeric(header, fields)
        return row_of_fields(
            str(self._path),
            line,
            fields,
            header=header,
            columns=self._columns or (),
            time_column=self._time_column,
        )


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
