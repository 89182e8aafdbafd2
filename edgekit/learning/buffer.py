"""Keeps the newest samples on disk, for a board to learn from."""

import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.arrays import Arrays
from edgekit.learning.specs import TensorSpec, check_batch

_SCHEMA = """
create table if not exists kind (text text not null);
create table if not exists sample (
    id integer primary key autoincrement, taken_at_ms integer not null, data blob not null);
"""


class SampleBuffer:
    """A file of samples that is never larger, and whose samples are never older, than allowed.

    The oldest give way. Each sample is there whole or not at all; a power cut may take the last
    few (SQLite's write-ahead log, synced when it is folded in, which spares the SD card). Any
    thread may add while another reads.

    Args:
        path: the file; made if it is not there.
        sample: what one sample brings, such as `Learner.sample`.
        limit_bytes: how much all samples together may take; the file is a little larger.
        max_age_s: how old a sample may become; `None` for any age.
        clock: gives the seconds since 1970.

    Raises:
        InputError: the file is damaged or holds samples of another kind, or not even one sample
            is within the limit.
    """

    def __init__(
        self,
        path: Path,
        sample: Sequence[TensorSpec],
        *,
        limit_bytes: int,
        max_age_s: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._specs = tuple(sample)
        self._as_batch = [replace(spec, shape=(1, *spec.shape)) for spec in sample]
        self._path, self._max_age_s, self._clock = path, max_age_s, clock
        one = sum(_bytes(spec) for spec in self._specs)
        self._most = limit_bytes // one
        if self._most < 1:
            raise InputError(f"{path}: one sample is {one} bytes, the limit {limit_bytes}")
        self._lock = threading.Lock()
        self._file = self._opened()

    def add(self, *arrays: Array) -> None:
        """Keeps one sample, and lets go of what is too much or too old.

        Args:
            arrays: one for each part of a sample, in order, without a batch's axis.

        Raises:
            InputError: they do not fit, or the file cannot be written.
        """
        check_batch(self._as_batch, [np.asarray(array)[np.newaxis] for array in arrays])
        data = b"".join(
            np.asarray(array, spec.dtype).tobytes()
            for spec, array in zip(self._specs, arrays, strict=True)
        )
        now_ms = round(self._clock() * 1000)
        with self._transaction():
            self._file.execute(
                "insert into sample (taken_at_ms, data) values (?, ?)", [now_ms, data]
            )
            self._drop()

    def samples(self) -> Arrays:
        """All samples, oldest first, in memory: what is added later is not among them.

        Raises:
            InputError: the file is damaged.
        """
        with self._transaction():
            self._drop()
            rows = [row[0] for row in self._file.execute("select data from sample order by id")]
        arrays, start = [], 0
        for spec in self._specs:
            end = start + _bytes(spec)
            whole = b"".join(row[start:end] for row in rows)
            arrays.append(np.frombuffer(whole, spec.dtype).reshape(-1, *spec.shape))
            start = end
        return Arrays(*arrays)

    def __len__(self) -> int:
        """How many samples there are."""
        with self._transaction():
            return int(self._file.execute("select count(*) from sample").fetchone()[0])

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _opened(self) -> sqlite3.Connection:
        kind = " ".join(f"{s.name}:{s.dtype}{list(s.shape)}" for s in self._specs)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = sqlite3.connect(self._path, check_same_thread=False)
        try:
            file.execute("pragma journal_mode = wal")
            file.execute("pragma synchronous = normal")
            file.executescript(_SCHEMA)
            held = file.execute("select text from kind").fetchone()
            if held is None:
                with file:
                    file.execute("insert into kind values (?)", [kind])
        except sqlite3.DatabaseError as error:
            file.close()
            raise InputError(
                f"{self._path}: not a buffer of samples: {error}; remove it"
            ) from error
        if held is not None and held[0] != kind:
            file.close()
            raise InputError(
                f"{self._path}: holds samples of {held[0]}, the model takes {kind}; remove it"
            )
        return file

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of the block is kept, or nothing."""
        try:
            with self._lock, self._file:
                yield
        except sqlite3.Error as error:
            raise InputError(f"{self._path}: {error}; is the disk full or damaged?") from error

    def _drop(self) -> None:
        self._file.execute(
            "delete from sample where id <= (select max(id) from sample) - ?", [self._most]
        )
        if self._max_age_s is not None:
            oldest_ms = round((self._clock() - self._max_age_s) * 1000)
            self._file.execute("delete from sample where taken_at_ms < ?", [oldest_ms])


def _bytes(spec: TensorSpec) -> int:
    return math.prod(spec.shape) * np.dtype(spec.dtype).itemsize
