"""Numbers, times and lines: written ones are read back, and no bytes crash a parser."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.pipeline.readings import (
    MISSING,
    milliseconds_in,
    milliseconds_of,
    number_of,
    value_at,
)
from edgekit.pipeline.row_fields import BadRow, Row
from edgekit.pipeline.row_lines import LineSplitter, RowLines

_finite = st.floats(allow_nan=False, allow_infinity=False)
_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:02", 2000),
        ("1970-01-01T02:00:02+02:00", 2000),
        ("2013-12-02 21:15:00", 1386018900000),
        ("20131202", 1385942400000),
        ("1386018900", 1386018900000),
        ("1386018900.25", 1386018900250),
        ("1386018900250", 1386018900250),
        (" 0 ", 0),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e300", None),
        ("1969-12-31", None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_a_time_is_iso_8601_or_seconds_or_milliseconds_since_1970(
    text: str, milliseconds: int | None
) -> None:
    assert milliseconds_in(text) == milliseconds


@given(st.integers(10**11, 10**14))
@settings(deadline=None)
def test_a_time_in_milliseconds_is_the_same_written_as_iso_8601(milliseconds: int) -> None:
    written = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
    assert milliseconds_in(written) == milliseconds_of(milliseconds) == milliseconds


def test_a_path_leads_through_keys_and_lists_and_a_key_of_that_name_goes_first() -> None:
    document = {"a": {"b": [1, {"c": 2}]}, "a.b": 3}
    assert value_at(document, "a.b") == 3
    assert value_at(document, "a") == {"b": [1, {"c": 2}]}
    assert value_at({"a": {"b": [1, {"c": 2}]}}, "a.b.1.c") == 2
    for absent in ("x", "a.x", "a.b.2", "a.b.-1", "a.b.1.c.d", "", ".", "a."):
        assert value_at({"a": {"b": [1, {"c": 2}]}}, absent) is MISSING


@given(_json, st.text(alphabet="ab01.", max_size=8))
@settings(deadline=None)
def test_any_document_has_a_value_at_a_path_or_not(document: Any, path: str) -> None:
    number = number_of(value_at(document, path))
    assert number is None or isinstance(number, float)
    time = milliseconds_of(value_at(document, path))
    assert time is None or time >= 0


@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line)), st.data())
@settings(deadline=None)
def test_lines_are_the_same_however_their_bytes_are_cut(
    lines: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    splitter, found = LineSplitter(longest_bytes=20), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert list(splitter.end()) == []
    assert found == [line if len(line) <= 20 else None for line in lines]


@given(st.lists(st.tuples(_finite, _finite, st.integers(0, 10**12)), max_size=8), st.booleans())
@settings(deadline=None)
def test_rows_are_read_back_as_they_were_written(
    rows: list[tuple[float, float, int]], as_json: bool
) -> None:
    codec = RowLines("x", ("b", "a.c"), time_column="t")
    if as_json:
        lines = [json.dumps({"a": {"c": a}, "b": b, "t": t / 1000}) for a, b, t in rows]
    else:
        lines = ["t,a.c,b", *(f'{t / 1000!r},"{a!r}", {b!r} ' for a, b, t in rows)]
    found = [row for line in lines if (row := codec.push(line.encode())) is not None]
    for row, (a, b, t) in zip(found, rows, strict=True):
        assert isinstance(row, Row)
        np.testing.assert_array_equal(row.values, [b, a])
        assert row.taken_at_ms == (t if t / 1000 < 1e11 else None)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.binary(max_size=60)
        | st.text(alphabet='{}[]":,v1.eE-\\u09"\r ', max_size=40).map(str.encode)
        | _json.map(lambda document: json.dumps({"v": document, "t": document}).encode()),
        max_size=6,
    ),
    st.sampled_from([None, "csv", "json"]),
    st.sampled_from([None, "t"]),
)
def test_no_line_crashes_a_parser(lines: list[bytes], line_format: Any, time: str | None) -> None:
    codec = RowLines("x", ("v",), time_column=time, line_format=line_format)
    for number, line in enumerate(lines, 1):
        try:
            row = codec.push(line)
        except InputError as error:
            assert "\n" not in str(error)
            assert not codec.knows_its_columns
            return
        if isinstance(row, Row):
            assert (row.line, math.isfinite(row.values[0])) == (number, True)
        elif isinstance(row, BadRow):
            assert row.reason.startswith(f"x:{number}: ")
            assert "\n" not in row.reason


@pytest.mark.parametrize(
    "line",
    [b"[" * 100_000, b'{"v":' * 100_000, b'{"v":' + b"9" * 50_000 + b"}", b'{"v":1e999}', b"\x00"],
)
def test_a_hostile_line_is_refused_in_one_line(line: bytes) -> None:
    row = RowLines("x", ("v",), line_format="json").push(line)
    assert isinstance(row, BadRow)
    assert len(row.reason) < 300
