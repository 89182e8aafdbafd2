"""Rows of a CSV file: parsed as asked for, or refused with file, line and column."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.pipeline.rows import BadRow, CsvRows, Row, load_rows


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "machine.csv"
    path.write_text(text)
    return path


def test_columns_come_in_the_order_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b,c\n1,2,3\n4,5,6\n")
    rows, names = load_rows(path, ("c", "a"))
    np.testing.assert_array_equal(rows, [[3, 1], [6, 4]])
    assert names == ("c", "a")


def test_columns_of_numbers_are_found_without_being_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "time,value,note\n2013-12-02 21:15:00,73.9,ok\n")
    assert load_rows(path, None, "time")[1] == ("value",)


def test_a_time_without_an_offset_is_utc(tmp_path: Path) -> None:
    path = written(tmp_path, "t,v\n1970-01-01 00:00:02,1\n1970-01-01T00:00:02.5+00:00,2\n")
    times = [row.taken_at_ms for row in CsvRows(path, ("v",), "t") if isinstance(row, Row)]
    assert times == [2000, 2500]


def test_a_bad_row_is_named_and_the_next_one_read(tmp_path: Path) -> None:
    path = written(tmp_path, "v\n1\nNaN\ninf\nx\n1,2\n\n5\n")
    found = list(CsvRows(path, ("v",)))
    bad = [row.reason for row in found if isinstance(row, BadRow)]
    assert [reason.partition("csv:")[2].partition(":")[0] for reason in bad] == ["3", "4", "5", "6"]
    assert "column 'v' is 'NaN', not a finite number" in bad[0]
    assert [row.line for row in found if isinstance(row, Row)] == [2, 8]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("temp,b\n1,2\n", "did you mean 'temp'"),
        ("tmep\nNaN\n", "NaN"),
        ("tmep\n", "no rows"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_rows(written(tmp_path, text), ("tmep",))


@given(st.binary(max_size=200))
def test_random_bytes_never_crash(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("r") / "x.csv"
    path.write_bytes(data)
    try:
        for row in CsvRows(path, None, None):
            assert isinstance(row, Row | BadRow)
    except InputError as error:
        assert "\n" not in str(error)
