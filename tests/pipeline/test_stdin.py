"""Rows from a stream: every line a row or a refusal, and an end when it is told to."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from edgekit.errors import Unavailable
from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.sources.stdin import StdinSource

PATIENCE_S = 20.0


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """An operating system's pipe; the writing end may be closed early."""
    read, write = os.pipe()
    try:
        yield read, write
    finally:
        os.close(read)
        with suppress(OSError):
            os.close(write)


def given(text: bytes, **more: object) -> list[Sample | Refusal]:
    with pipe() as (read, write):
        os.write(write, text)
        os.close(write)
        with StdinSource(columns=("v",), descriptor=read, **more) as source:  # type: ignore[arg-type]
            return list(source.items())


def values(items: list[Sample | Refusal]) -> list[float | str]:
    return [i.reason if isinstance(i, Refusal) else float(i.data[0]) for i in items]


def test_lines_under_a_header_are_rows_to_the_last_one_without_an_end() -> None:
    items = given(b"w,v\n0,1\n\n0,2\n0,3")
    assert values(items) == [1, 2, 3]
    assert [i.origin for i in items if isinstance(i, Sample)] == ["stdin:2", "stdin:4", "stdin:5"]


def test_lines_of_json_are_told_from_csv_by_the_first_one() -> None:
    items = given(b'{"v": 1, "t": 1.5}\n{"v": "2", "t": "1970-01-01T00:00:02Z"}', time_column="t")
    assert values(items) == [1, 2]
    assert [i.taken_at_ms for i in items if isinstance(i, Sample)] == [1500, 2000]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"v\n1\nx\n3\n", "stdin:3: column 'v' is 'x', not a finite number"),
        (b"v\n1\n1,2\n3\n", "stdin:3: has 2 fields"),
        (b"v\n1\n\xff\n3\n", "stdin:3: is not UTF-8"),
        (b'v\n1\n"\n3\n', "stdin:3: is not CSV"),
        (b'{"v":1}\nnull\n{"v":3}\n', "stdin:2: has no field 'v'"),
        (b'{"v":1}\n{"v":\n{"v":3}\n', "stdin:2: is not JSON"),
        (b'{"v":1}\n{"v":[]}\n{"v":3}\n', "stdin:2: field 'v' is [], not a finite number"),
    ],
)
def test_a_bad_line_is_a_refusal_that_says_where_and_the_next_one_a_row(
    text: bytes, says: str
) -> None:
    first, bad, last = given(text)
    assert values([first, last]) == [1, 3]
    assert isinstance(bad, Refusal)
    assert bad.reason.startswith(says)


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    with pipe() as (read, write):
        text = b"v\n1\n" + b"9" * 3_000_000 + b"\n2\n"
        thread = threading.Thread(target=lambda: (_write_all(write, text), os.close(write)))
        thread.start()
        with StdinSource(columns=("v",), descriptor=read) as source:
            first, bad, last = source.items()
        thread.join(PATIENCE_S)
    assert values([first, last]) == [1, 2]
    assert isinstance(bad, Refusal)
    assert "longer than" in bad.reason


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def test_a_header_without_the_column_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="stdin: has no column 'v'"):
        given(b"w\n1\n")


def test_rows_come_while_the_stream_is_open() -> None:
    with pipe() as (read, write), StdinSource(columns=("v",), descriptor=read) as source:
        items = source.items()
        os.write(write, b"v\n1\n2")
        assert values([next(items)]) == [1]
        os.write(write, b"5\n")
        assert values([next(items)]) == [25]


def test_stop_from_another_thread_ends_it_while_nothing_comes() -> None:
    with pipe() as (read, _), StdinSource(columns=("v",), descriptor=read) as source:
        ended = threading.Event()
        thread = threading.Thread(target=lambda: (list(source.items()), ended.set()), daemon=True)
        thread.start()
        source.stop()
        source.stop()
        assert ended.wait(PATIENCE_S)


def test_entered_again_it_goes_on_where_it_was() -> None:
    with pipe() as (read, write):
        os.write(write, b"v\n1\n2\n3")
        source = StdinSource(columns=("v",), descriptor=read)
        with source:
            assert values([next(source.items())]) == [1]
        os.write(write, b"3\n")
        os.close(write)
        with source:
            assert values(list(source.items())) == [2, 33]


def test_a_file_can_be_standard_input(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("v\n" + "1\n" * 50_000)
    with path.open() as file, StdinSource(columns=("v",), descriptor=file.fileno()) as source:
        assert len(list(source.items())) == 50_000


def test_what_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    source = StdinSource(columns=("v",), descriptor=folder)
    try:
        with source, pytest.raises(Unavailable, match="stdin: cannot be read: Is a directory"):
            list(source.items())
    finally:
        os.close(folder)
