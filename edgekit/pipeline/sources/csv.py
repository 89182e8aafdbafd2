"""Gives the rows of a CSV file, one sample a row."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.errors import InputError, Unavailable
from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.rows import CsvRows
from edgekit.pipeline.sources.row_samples import sample_of


class CsvSource:
    """The rows of a CSV file with a header, read as they are asked for.

    A row's time is that of its time column where one is named, else the moment it was read.
    Entered again, it goes on after the last row it gave; in a file that has taken the place of
    the first, with the first row.
    """

    def __init__(
        self,
        path: Path,
        *,
        columns: tuple[str, ...],
        time_column: str | None = None,
        interval_s: float = 0.0,
    ) -> None:
        self._path = path
        self._columns = columns
        self._time_column = time_column
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._file: tuple[int, int] | None = None
        self._line_given = 0

    def __enter__(self) -> Self:
        self._stopped.clear()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def items(self) -> Iterator[Sample | Refusal]:
        """Each row float64 `[columns]`, or why it cannot be one; `interval_s` apart.

        Raises:
            Unavailable: the file cannot be read, or lacks a column.
        """
        try:
            self._notice_another_file()
            for row in CsvRows(self._path, self._columns, self._time_column):
                if row.line <= self._line_given:
                    continue
                if self._stopped.wait(self._interval_s) if self._interval_s else self._is_stopped():
                    return
                self._line_given = row.line
                yield sample_of(row, self._path.name)
        except InputError as error:
            raise Unavailable(str(error)) from error

    def stop(self) -> None:
        """Makes `items` end."""
        self._stopped.set()

    def _is_stopped(self) -> bool:
        return self._stopped.is_set()

    def _notice_another_file(self) -> None:
        try:
            found = self._path.stat()
        except OSError:
            return  # reading it will say why
        if self._file != (found.st_dev, found.st_ino):
            self._file, self._line_given = (found.st_dev, found.st_ino), 0
