"""Pictures from a second process through shared memory: whole ones, and never a torn one."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.bundle import PictureRule
from edgekit.errors import InputError, Unavailable
from edgekit.pipeline.capture.settings import ShmSettings
from edgekit.pipeline.capture.shm import HEADER_BYTES, Header, ShmFile, ShmWriter, decode_header
from edgekit.pipeline.capture.source import CaptureSource
from edgekit.pipeline.parts import Sample

RULE = PictureRule(height=16, width=16, fit="stretch")
WRITER = """
import sys, time
import numpy as np
from pathlib import Path
from edgekit.pipeline.capture.shm import ShmWriter
path, pause_s, height, width = Path(sys.argv[1]), float(sys.argv[2]), 480, 640
with ShmWriter(path, height=height, width=width) as writer:
    number = 0
    while True:
        number += 1
        writer.write(np.full((height, width, 3), number % 251, np.uint8))
        if number == 1:
            print("ready", flush=True)
        time.sleep(pause_s)
"""


@contextmanager
def writing(path: Path, *, pause_s: float) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(pause_s)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def path() -> Iterator[Path]:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        pytest.skip("there is no /dev/shm here")
    path = folder / f"edgekit-test-{os.getpid()}"
    yield path
    path.unlink(missing_ok=True)


def test_no_picture_is_torn_however_fast_another_process_writes(path: Path) -> None:
    with writing(path, pause_s=0.0):
        file = ShmFile(path)
        torn = whole = over = 0
        deadline = time.monotonic() + 20
        while whole < 100 and time.monotonic() < deadline:
            header = file.header()
            picture = file.picture(header)
            if picture is None:
                over += 1
                continue
            whole += 1
            torn += bool((picture != picture[0, 0, 0]).any())
            assert picture[0, 0, 0] == (header.sequence // 2) % 251
        file.close()
    assert torn == 0
    assert whole == 100
    assert over > 0, "the writer never met the reader, so nothing was tested"


def test_pictures_of_another_process_come_in_order_with_their_time(path: Path) -> None:
    with writing(path, pause_s=0.01), CaptureSource(ShmSettings(path=path), rule=RULE) as source:
        taken = []
        for item in islice(source.items(), 20):
            assert isinstance(item, Sample)
            assert len(np.unique(item.data)) == 1
            taken.append(item.taken_at_ns)
            assert item.taken_at_ns <= time.monotonic_ns()
            item.release()
        assert taken == sorted(taken)


def test_a_silent_writer_is_in_order_where_it_may_be_silent(path: Path) -> None:
    source = CaptureSource(ShmSettings(path=path, stall_s=0.3), rule=RULE)
    picture = np.zeros((4, 4, 3), np.uint8)
    with ShmWriter(path, height=4, width=4) as writer, source:
        writer.write(picture)
        items = source.items()
        assert isinstance(next(items), Sample)
        later = threading.Timer(1.2, writer.write, [picture])
        later.start()
        assert isinstance(next(items), Sample)
        later.join()


def test_a_silent_writer_is_unavailable_where_it_may_not_be_silent(path: Path) -> None:
    source = CaptureSource(ShmSettings(path=path, stall_s=0.3, silent=False), rule=RULE)
    with ShmWriter(path, height=4, width=4) as writer, source:
        writer.write(np.zeros((4, 4, 3), np.uint8))
        items = source.items()
        next(items)
        with pytest.raises(Unavailable, match=r"no picture for 0.3 s"):
            list(items)


def test_a_writer_that_begins_anew_is_noticed(path: Path) -> None:
    source = CaptureSource(ShmSettings(path=path), rule=RULE)
    with source, pytest.raises(Unavailable, match="does the program that writes it run"):
        list(source.items())
    picture = np.zeros((4, 4, 3), np.uint8)
    with ShmWriter(path, height=4, width=4) as first:
        first.write(picture)
        with source:
            items = source.items()
            next(items)
            with (
                ShmWriter(path, height=4, width=4),
                pytest.raises(Unavailable, match="began a new one"),
            ):
                list(items)


def test_a_writer_takes_only_its_own_file_away(path: Path) -> None:
    with ShmWriter(path, height=4, width=4):
        with ShmWriter(path, height=8, width=8):
            pass
        assert not path.exists()
    with ShmWriter(path, height=4, width=4):
        second = ShmWriter(path, height=8, width=8)
        second.__enter__()
    assert path.exists()
    second.__exit__(None, None, None)


def test_a_picture_of_another_size_is_refused(path: Path) -> None:
    with ShmWriter(path, height=4, width=6) as writer:
        with pytest.raises(InputError, match=r"\(6, 4, 3\)"):
            writer.write(np.zeros((6, 4, 3), np.uint8))
        with pytest.raises(InputError, match="float64"):
            writer.write(np.zeros((4, 6, 3)))


def test_a_file_shorter_than_its_header_says_is_refused(path: Path) -> None:
    path.write_bytes(Header(10, 10, "RGB", 2, 0).to_bytes() + bytes(100))
    file = ShmFile(path)
    with pytest.raises(InputError, match="shorter"):
        file.picture(file.header())
    file.close()


HEADERS = st.builds(
    Header,
    st.integers(1, 16_384),
    st.integers(1, 16_384),
    st.sampled_from(["RGB", "BGR"]),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
)


@given(HEADERS)
@settings(deadline=None)
def test_a_header_comes_back_as_it_was(header: Header) -> None:
    data = header.to_bytes()
    assert len(data) == HEADER_BYTES
    assert decode_header(data) == header


@given(HEADERS, st.integers(0, HEADER_BYTES), st.binary(max_size=20), st.integers(0, 100))
@settings(deadline=None)
def test_a_damaged_header_is_a_header_or_refused(
    header: Header, at: int, damage: bytes, length: int
) -> None:
    data = header.to_bytes()
    data = (data[:at] + damage + data[at + len(damage) :])[:length]
    try:
        decoded = decode_header(data)
    except InputError:
        return
    assert decoded.picture_bytes <= 16_384 * 16_384 * 3
