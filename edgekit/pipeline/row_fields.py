"""A row of sensor readings, and how one is made of the fields of a line or of a JSON document."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.pipeline.readings import (
    MISSING,
    milliseconds_in,
    milliseconds_of,
    number_in,
    number_of,
    shown,
    value_at,
)


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        values: float64 `[columns]`, finite, in the order that was asked for.
        taken_at_ms: milliseconds since 1970 UTC, where a time was named.
        line: its line in the file, the first being 1; of what has no lines, its number.
    """

    values: Array
    taken_at_ms: int | None
    line: int


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used, and one line that says why and where."""

    line: int
    reason: str


def header_of(where: str, names: Sequence[str], *, wanted: Sequence[str]) -> dict[str, int]:
    """The position of each column that a header names.

    Raises:
        InputError: two have one name, or one that is wanted is not there.
    """
    names = [name.strip() for name in names]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{where}: has two columns named {twice[:40]!r}; rename one")
    for name in wanted:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(names)}"
            hint = " ".join(hint.split())[:200]
            raise InputError(f"{where}: has no column {name!r}; {hint}")
    return {name: position for position, name in enumerate(names)}


def row_of_fields(
    where: str,
    line: int,
    fields: Sequence[str],
    *,
    header: Mapping[str, int],
    columns: Sequence[str],
    time_column: str | None,
) -> Row | BadRow:
    """A row of the fields of a line under a header."""
    if len(fields) != len(header):
        reason = f"has {len(fields)} fields, the header has {len(header)}"
        return BadRow(line, f"{where}:{line}: {reason}")
    values = np.empty(len(columns))
    for position, name in enumerate(columns):
        text = fields[header[name]]
        number = number_in(text)
        if number is None or not math.isfinite(number):
            return _no_number(where, line, "column", name, text)
        values[position] = number
    if time_column is None:
        return Row(values, None, line)
    text = fields[header[time_column]]
    taken_at_ms = milliseconds_in(text)
    if taken_at_ms is None:
        return _no_time(where, line, "column", time_column, text)
    return Row(values, taken_at_ms, line)


def row_of_document(
    where: str,
    line: int,
    document: object,
    *,
    fields: Sequence[str | None],
    time_field: str | None,
) -> Row | BadRow:
    """A row of a parsed JSON document.

    Args:
        where: what the document comes from, for people.
        line: its line or number.
        document: what was parsed.
        fields: paths of keys joined by dots; `None` is the document itself.
        time_field: the path of the row's time.
    """
    values = np.empty(len(fields))
    for position, path in enumerate(fields):
        value = document if path is None else value_at(document, path)
        if value is MISSING:
            return BadRow(line, f"{where}:{line}: has no field {path!r}")
        number = number_of(value)
        if number is None or not math.isfinite(number):
            return _no_number(where, line, "field", path or "payload", value)
        values[position] = number
    if time_field is None:
        return Row(values, None, line)
    value = value_at(document, time_field)
    if value is MISSING:
        return BadRow(line, f"{where}:{line}: has no field {time_field!r}")
    taken_at_ms = milliseconds_of(value)
    if taken_at_ms is None:
        return _no_time(where, line, "field", time_field, value)
    return Row(values, taken_at_ms, line)


def _no_number(where: str, line: int, kind: str, name: str, value: object) -> BadRow:
    return BadRow(line, f"{where}:{line}: {kind} {name!r} is {shown(value)}, not a finite number")


def _no_time(where: str, line: int, kind: str, name: str, value: object) -> BadRow:
    reason = f"{kind} {name!r} is {shown(value)}, not a time since 1970 (ISO 8601, or seconds)"
    return BadRow(line, f"{where}:{line}: {reason}")
