"""Rows of a CSV file: parsed as asked for, or refused with file, line and column."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
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


def test_a_line_that_is_no_csv_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    found = list(CsvRows(written(tmp_path, 'v\n1\n"2"x\n3\n'), ("v",)))
    assert [type(row) for row in found] == [Row, BadRow, Row]
    assert isinstance(found[1], BadRow)
    assert "machine.csv:3: is not CSV" in found[1].reason


@pytest.mark.parametrize("text", ["1_000", "\N{ARABIC-INDIC DIGIT ONE}", "0x10", ""])
def test_what_only_python_takes_for_a_number_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "machine.csv"
    path.write_text(f"v,w\n{text},1\n", encoding="utf-8")
    (found,) = CsvRows(path, ("v",))
    assert isinstance(found, BadRow)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two columns named 'v'"):
        load_rows(written(tmp_path, "v,w,v\n1,2,3\n"), None)


def test_columns_are_those_of_the_first_row_that_fits_the_header(tmp_path: Path) -> None:
    source = CsvRows(written(tmp_path, "v,w\n1\n1,x\n"), None)
    assert source.columns() == ("v",)


def test_rows_come_before_the_file_has_been_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "machine.csv"
    path.write_bytes(b"v\n" + b"1\n" * 100_000 + b"\xff\n")
    rows = iter(CsvRows(path, ("v",)))
    assert isinstance(next(rows), Row)
    with pytest.raises(InputError, match="not UTF-8"):
        list(rows)


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"csv:2: is longer than"):
        load_rows(written(tmp_path, "v\n" + "1" * 2_000_000), ("v",))


def test_a_time_before_1970_is_refused(tmp_path: Path) -> None:
    (found,) = CsvRows(written(tmp_path, "t,v\n1969-12-31 23:59:59,1\n"), ("v",), "t")
    assert isinstance(found, BadRow)
    assert "column 't'" in found.reason


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_random_bytes_never_crash(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("r") / "x.csv"
    path.write_bytes(data)
    try:
        for row in CsvRows(path, None, None):
            assert isinstance(row, Row | BadRow)
            assert isinstance(row, Row) or "\n" not in row.reason
    except InputError as error:
        assert "\n" not in str(error)


@given(st.text(alphabet='v1.,"\n\rt-:é', max_size=80))
@settings(deadline=None)
def test_text_that_is_nearly_csv_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("r") / "x.csv"
    path.write_bytes(("t,v\n" + text).encode())
    lines = [row.line for row in CsvRows(path, ("v",), "t")]
    assert lines == sorted(lines)
