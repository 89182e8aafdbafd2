import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning import SampleBuffer
from edgekit.learning.specs import TensorSpec

SAMPLE = (TensorSpec("x", "float32", (4,)), TensorSpec("target", "int64", (), 10))
BYTES = 4 * 4 + 8


def sample(number: int) -> tuple[Array, Array]:
    return np.full(4, number, np.float32), np.array(number % 10)


def numbers(buffer: SampleBuffer) -> list[int]:
    data = buffer.samples()
    x, target = data.batch(np.arange(len(data)), (0,))
    assert (x == x[:, :1]).all()
    np.testing.assert_array_equal(x[:, 0] % 10, target)
    return [int(number) for number in x[:, 0]]


class Clock:
    now_s = 1e9

    def __call__(self) -> float:
        return self.now_s


def test_the_oldest_give_way_when_there_are_too_many(tmp_path: Path) -> None:
    with SampleBuffer(tmp_path / "b", SAMPLE, limit_bytes=3 * BYTES + 1) as buffer:
        for number in range(5):
            buffer.add(*sample(number))
        assert numbers(buffer) == [2, 3, 4]
        assert len(buffer) == 3


def test_the_oldest_give_way_when_they_are_too_old(tmp_path: Path) -> None:
    clock = Clock()
    with SampleBuffer(
        tmp_path / "b", SAMPLE, limit_bytes=1000, max_age_s=60, clock=clock
    ) as buffer:
        for number in range(3):
            buffer.add(*sample(number))
            clock.now_s += 30
        assert numbers(buffer) == [1, 2]
        clock.now_s += 100
        assert numbers(buffer) == []


def test_samples_are_there_in_another_process_even_if_this_one_is_killed(tmp_path: Path) -> None:
    code = f"""
import os, sys
from pathlib import Path
from tests.learning.test_buffer import SAMPLE, sample
from edgekit.learning import SampleBuffer
buffer = SampleBuffer(Path({str(tmp_path / "b")!r}), SAMPLE, limit_bytes=1000)
for number in range(7):
    buffer.add(*sample(number))
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == -9
    with SampleBuffer(tmp_path / "b", SAMPLE, limit_bytes=1000) as buffer:
        assert numbers(buffer) == list(range(7))


def test_the_file_stays_small(tmp_path: Path) -> None:
    wide = (TensorSpec("x", "float32", (1000,)),)
    with SampleBuffer(tmp_path / "b", wide, limit_bytes=100_000) as buffer:
        for number in range(500):
            buffer.add(np.full(1000, number, np.float32))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 300_000


def test_threads_may_add_while_another_reads(tmp_path: Path) -> None:
    with SampleBuffer(tmp_path / "b", SAMPLE, limit_bytes=10_000) as buffer:
        with ThreadPoolExecutor(4) as pool:
            added = [pool.submit(buffer.add, *sample(number)) for number in range(100)]
            while not all(future.done() for future in added):
                numbers(buffer)
            for future in added:
                future.result()
        assert sorted(numbers(buffer)) == list(range(100))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (sample(0)[:1], "gives 1 arrays"),
        ((np.zeros(5, np.float32), np.array(0)), r"gives \[5\] a sample"),
        ((np.zeros(4, np.float32), np.array(10)), "the class 10"),
        ((np.zeros(4, np.float32), np.array(0.5)), "float64, not int64"),
    ],
)
def test_a_sample_that_does_not_fit_is_refused(
    tmp_path: Path, arrays: tuple[Array, ...], message: str
) -> None:
    with SampleBuffer(tmp_path / "b", SAMPLE, limit_bytes=1000) as buffer:
        with pytest.raises(InputError, match=message):
            buffer.add(*arrays)
        assert len(buffer) == 0


def test_a_buffer_of_other_samples_is_refused(tmp_path: Path) -> None:
    SampleBuffer(tmp_path / "b", SAMPLE, limit_bytes=1000).close()
    with pytest.raises(InputError, match=r"holds samples of x:float32\[4\] target"):
        SampleBuffer(tmp_path / "b", SAMPLE[:1], limit_bytes=1000)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"no database" * 100)
    with pytest.raises(InputError, match="not a buffer of samples"):
        SampleBuffer(tmp_path / "b", SAMPLE, limit_bytes=1000)


def add_twenty(buffer: SampleBuffer) -> None:
    for _ in range(20):
        buffer.add(np.zeros(1000, np.float32))


def test_a_full_disk_leaves_the_samples_that_are_there(tmp_path: Path) -> None:
    wide = (TensorSpec("x", "float32", (1000,)),)
    with SampleBuffer(tmp_path / "b", wide, limit_bytes=10**7) as buffer:
        buffer.add(np.zeros(1000, np.float32))
        with buffer._lock:
            buffer._file.execute("pragma max_page_count = 12")
        with pytest.raises(InputError, match="b: database or disk is full"):
            add_twenty(buffer)
        assert len(buffer) >= 1


def test_a_limit_below_one_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one sample is 24 bytes, the limit 23"):
        SampleBuffer(tmp_path / "b", SAMPLE, limit_bytes=23)


def test_the_clock_is_kept_with_each_sample(tmp_path: Path) -> None:
    with SampleBuffer(tmp_path / "b", SAMPLE, limit_bytes=1000, clock=Clock()) as buffer:
        buffer.add(*sample(1))
    file = sqlite3.connect(tmp_path / "b")
    assert file.execute("select taken_at_ms from sample").fetchall() == [(10**12,)]
    file.close()
