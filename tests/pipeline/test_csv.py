"""The source of a CSV file: every row once, however often it is entered."""

from itertools import islice
from pathlib import Path

import pytest

from edgekit.errors import Unavailable
from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.sources.csv import CsvSource


def values(items: list[Sample | Refusal]) -> list[float | str]:
    return [i.reason if isinstance(i, Refusal) else float(i.data[0]) for i in items]


def test_a_row_has_the_time_of_its_column_and_says_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "pump.csv"
    path.write_text("t,v\n1700000000,1\n1700000000500,2\n2023-11-14T22:13:21Z,3\n")
    with CsvSource(path, columns=("v",), time_column="t") as source:
        items = [item for item in source.items() if isinstance(item, Sample)]
    assert [item.taken_at_ms - 1_700_000_000_000 for item in items] == [0, 500, 1000]
    assert [item.origin for item in items] == ["pump.csv:2", "pump.csv:3", "pump.csv:4"]


def test_entered_again_it_goes_on_after_the_last_row(tmp_path: Path) -> None:
    path = tmp_path / "pump.csv"
    path.write_bytes(b"v\n1\n2\n3\n" + b"4\n" * 10_000 + b"\xff\n")
    source = CsvSource(path, columns=("v",))
    with source:
        assert values(list(islice(source.items(), 2))) == [1, 2]
    with source:
        items = source.items()
        assert values([next(items)]) == [3]
        with pytest.raises(Unavailable, match="not UTF-8"):
            list(items)
    with source, pytest.raises(Unavailable, match="not UTF-8"):
        list(source.items())


def test_a_file_that_has_taken_the_place_of_the_first_is_read_from_its_start(
    tmp_path: Path,
) -> None:
    path, other = tmp_path / "pump.csv", tmp_path / "new.csv"
    path.write_text("v\n1\n2\n")
    source = CsvSource(path, columns=("v",))
    with source:
        assert values(list(source.items())) == [1, 2]
    other.write_text("v\n5\n")
    other.replace(path)
    with source:
        assert values(list(source.items())) == [5]


def test_a_file_that_comes_later_is_read_when_it_is_there(tmp_path: Path) -> None:
    source = CsvSource(tmp_path / "pump.csv", columns=("v",))
    with source, pytest.raises(Unavailable, match="cannot be read"):
        list(source.items())
    (tmp_path / "pump.csv").write_text("v\n1\nx\n")
    with source:
        first, second = source.items()
    assert isinstance(first, Sample)
    assert isinstance(second, Refusal)


def test_stop_ends_it_in_the_middle_of_an_interval(tmp_path: Path) -> None:
    path = tmp_path / "pump.csv"
    path.write_text("v\n1\n2\n")
    source = CsvSource(path, columns=("v",), interval_s=3600)
    with source:
        source.stop()
        assert list(source.items()) == []
