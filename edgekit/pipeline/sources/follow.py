"""Gives the rows that are added to a CSV file, as they come: `tail -F` for rows."""

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.errors import InputError, Unavailable
from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.row_lines import LineSplitter, RowLines
from edgekit.pipeline.sources.row_samples import sample_of

_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class _Begin:
    """Stands before the first line of another file; a gap where rows may be missing."""

    gap: str | None = None


class CsvFollower:
    """The new rows of a file that grows, and of the files that take its place.

    What the file held when it was first opened is history and not given; a file that appears
    later is new from its first row. When another file takes the path (rotation), the old one is
    read to its end, then the new one from its header on. A file cut short (`copytruncate`) begins
    anew, and since rows may be missing it is a gap. Entered again, it goes on where it was.
    Entering raises `Unavailable` where the file is not there or its header lacks a column.
    """

    def __init__(
        self,
        path: Path,
        *,
        columns: tuple[str, ...],
        time_column: str | None = None,
        look_every_s: float = 0.2,
    ) -> None:
        """Prepares the source; nothing is opened yet.

        Args:
            path: the file, UTF-8; a row is a line.
            columns: the columns of its header that make a row.
            time_column: the column with the time of a row; else it is when the row was read.
            look_every_s: how often to look for more when there was none.
        """
        self._path = path
        self._look_every_s = look_every_s
        self._stopped = threading.Event()
        self._rows = RowLines(str(path), columns, time_column=time_column, line_format="csv")
        self._splitter = LineSplitter()
        self._lines: deque[bytes | _Begin | None] = deque()
        self._file: FileIO | None = None
        self._place: tuple[int, int] | None = None
        self._offset = 0
        self._skips_history = True

    def __enter__(self) -> Self:
        self._stopped.clear()
        try:
            with self._errors_told():
                self._open()
                self._skip_history()
        except Unavailable:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._close()

    def items(self) -> Iterator[Sample | Refusal]:
        """Each new row float64 `[columns]`, or why it cannot be one, until `stop`.

        Raises:
            Unavailable: the file cannot be read, or lacks a column.
        """
        with self._errors_told():
            while not self._stopped.is_set():
                if self._lines:
                    item = self._next_item()
                    if item is not None:
                        yield item
                elif not self._read() and not self._is_replaced():
                    self._stopped.wait(self._look_every_s)

    def stop(self) -> None:
        """Makes `items` end."""
        self._stopped.set()

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except InputError as error:  # of the header: next time from the start
            self._place = None
            raise Unavailable(str(error)) from error
        except OSError as error:
            raise Unavailable(f"{self._path}: cannot be read: {error.strerror}") from error

    def _next_item(self) -> Sample | Refusal | None:
        line = self._lines.popleft()
        if isinstance(line, _Begin):
            self._rows.begin()
            return Refusal(f"{self._path}: {line.gap}") if line.gap else None
        row = self._rows.push(line)
        return None if row is None else sample_of(row, self._path.name)

    def _open(self) -> None:
        """Opens the path; where it is still the file of before, at the place of before."""
        try:
            self._file = self._path.open("rb", buffering=0)
        except FileNotFoundError:
            self._skips_history = False
            raise
        found = os.fstat(self._file.fileno())
        before, self._place = self._place, (found.st_dev, found.st_ino)
        if before == self._place and found.st_size >= self._offset:
            self._file.seek(self._offset)
            return
        self._offset = 0
        if before is None:
            self._splitter = LineSplitter()
            self._lines.clear()
            self._rows.begin()
        else:
            self._lines.extend(self._splitter.end())
            self._lines.append(_Begin("another file has taken its place; rows may be missing"))

    def _skip_history(self) -> None:
        while self._skips_history and not self._stopped.is_set():
            data = self._take_bytes()
            self._skips_history = bool(data)
            for line in self._splitter.feed(data):
                if self._rows.knows_its_columns:
                    self._rows.skip()
                else:
                    self._rows.push(line)

    def _read(self) -> bool:
        data = self._take_bytes()
        self._lines.extend(self._splitter.feed(data))
        return bool(data)

    def _is_replaced(self) -> bool:
        """At the file's end, goes over to the one that has taken its path, or back to its start."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False  # between two files
        if (found.st_dev, found.st_ino) == self._place:
            if found.st_size >= self._offset:
                return False
            self._splitter = LineSplitter()
            self._lines.append(_Begin("was cut short; rows may be missing"))
        else:
            while self._read():
                pass  # what came between the last look and the change
            self._lines.extend(self._splitter.end())
            self._lines.append(_Begin())
            self._close()
            self._file = self._path.open("rb", buffering=0)
            found = os.fstat(self._file.fileno())
            self._place = (found.st_dev, found.st_ino)
        self._offset = 0
        self._file_open().seek(0)
        return True

    def _take_bytes(self) -> bytes:
        data = self._file_open().read(_READ_BYTES) or b""
        self._offset += len(data)
        return data

    def _file_open(self) -> FileIO:
        assert self._file is not None, "items opened it"
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
