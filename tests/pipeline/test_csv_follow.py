"""A followed CSV file: new rows once each, through rotation, truncation and being entered again."""

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import Unavailable
from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.sources.follow import CsvFollower

FAST_S = 0.001


def follower(path: Path) -> CsvFollower:
    return CsvFollower(path, columns=("v",), look_every_s=FAST_S)


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def value(item: Sample | Refusal) -> float | str:
    return item.reason if isinstance(item, Refusal) else float(item.data[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pump.csv"
    path.write_text("v,w\n1,0\n2,0\n")
    return path


def test_rows_come_as_they_are_added_and_history_does_not(path: Path) -> None:
    with follower(path) as source:
        items = source.items()
        append(path, "3,0\n4")
        first = next(items)
        append(path, "2,0\n")
        assert [value(first), value(next(items))] == [3, 42]
        assert isinstance(first, Sample)
        assert first.origin == "pump.csv:4"


def test_a_row_half_written_at_the_start_is_a_new_row(path: Path) -> None:
    append(path, "3")
    with follower(path) as source:
        append(path, "1,0\n")
        assert value(next(source.items())) == 31


def test_a_rotated_file_is_read_to_its_end_and_the_next_one_from_its_header(path: Path) -> None:
    with follower(path) as source:
        items = source.items()
        append(path, "3,0\n")
        assert value(next(items)) == 3
        append(path, "4,0\n5,0")
        path.rename(path.with_suffix(".1"))
        path.write_text("w,v\n0,6\n")
        assert [value(next(items)) for _ in range(3)] == [4, 5, 6]


def test_a_file_cut_short_is_a_gap_and_begins_anew(path: Path) -> None:
    with follower(path) as source:
        items = source.items()
        path.write_text("v\n7\n")
        assert "cut short" in str(value(next(items)))
        assert value(next(items)) == 7


def test_a_bad_row_is_refused_and_the_next_one_read(path: Path) -> None:
    with follower(path) as source:
        append(path, "x,0\n1\n\n4,0\n")
        items = source.items()
        assert [type(next(items)) for _ in range(3)] == [Refusal, Refusal, Sample]


def test_a_file_that_comes_later_is_new_from_its_first_row(path: Path) -> None:
    path.unlink()
    source = follower(path)
    with pytest.raises(Unavailable, match=r"pump\.csv: cannot be read"), source:
        pass
    path.write_text("v\n1\n")
    with source:
        assert value(next(source.items())) == 1


def test_entered_again_it_goes_on_where_it_was(path: Path) -> None:
    source = follower(path)
    with source:
        append(path, "3,0\n4,0\n5,")
        assert value(next(source.items())) == 3
    append(path, "0\n6,0\n")
    with source:
        items = source.items()
        assert [value(next(items)) for _ in range(3)] == [4, 5, 6]


def test_another_file_in_its_place_at_entering_again_is_a_gap(path: Path) -> None:
    source = follower(path)
    with source:
        append(path, "3,0\n")
        assert value(next(source.items())) == 3
    path.rename(path.with_suffix(".1"))
    path.write_text("v\n9\n")
    with source:
        items = source.items()
        assert "another file" in str(value(next(items)))
        assert value(next(items)) == 9


def test_a_header_without_the_column_is_read_again_once_it_is_right(path: Path) -> None:
    path.write_text("u\n1\n")
    source = follower(path)
    with pytest.raises(Unavailable, match="no column 'v'"), source:
        pass
    path.write_text("v\n1\n")
    with source:
        append(path, "2\n")
        assert value(next(source.items())) == 2


def test_stop_ends_it_while_nothing_comes(path: Path) -> None:
    found: list[Sample | Refusal] = []
    with CsvFollower(path, columns=("v",), look_every_s=3600) as source:
        thread = threading.Thread(target=lambda: found.extend(source.items()), daemon=True)
        thread.start()
        source.stop()
        thread.join(20)
        assert not thread.is_alive()
    assert found == []


_steps = st.lists(
    st.sampled_from(["row", "half", "bad", "rotate", "enter again"]), min_size=1, max_size=12
)


@settings(deadline=None, max_examples=60)
@given(_steps)
def test_every_row_comes_once_and_in_order_through_growth_and_rotation(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    path = tmp_path_factory.mktemp("f") / "x.csv"
    path.write_text("v\n")
    source = follower(path)
    source.__enter__()
    items = source.items()
    wanted: list[float] = []
    got: list[float] = []

    def drain() -> None:
        while len(got) < len(wanted):
            item = next(items)
            if isinstance(item, Sample):
                got.append(float(item.data[0]))

    for number, step in enumerate([*steps, "row"]):
        match step:
            case "row":
                append(path, f"{number}\n")
                wanted.append(number)
            case "half":
                append(path, f"{number}")
                append(path, "5\n")
                wanted.append(number * 10 + 5)
            case "bad":
                append(path, '"\n')
            case "rotate":
                path.rename(path.with_suffix(f".{number}"))
                path.write_text("v\n")
                append(path, f"{number}\n")
                wanted.append(number)
                drain()
            case "enter again":
                drain()
                source.__exit__(None, None, None)
                source.__enter__()
                items = source.items()
    drain()
    source.__exit__(None, None, None)
    assert got == wanted
