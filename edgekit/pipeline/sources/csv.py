"""Gives the rows of a CSV file, one sample a row."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.errors import InputError, Unavailable
from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.rows import BadRow, CsvRows


class CsvSource:
    """The rows of a CSV file with a header, read as they are asked for.

    A row's time is that of its time column where one is named, else the moment it was read.
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

    def __enter__(self) -> Self:
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
            for row in CsvRows(self._path, self._columns, self._time_column):
                if self._stopped.wait(self._interval_s) if self._interval_s else self._is_stopped():
                    return
                if isinstance(row, BadRow):
                    yield Refusal(row.reason)
                    continue
                taken_at_ms = row.taken_at_ms
                yield Sample(
                    row.values,
                    taken_at_ns=time.monotonic_ns(),
                    taken_at_ms=time.time_ns() // 1_000_000 if taken_at_ms is None else taken_at_ms,
                    origin=f"{self._path.name}:{row.line}",
                )
        except InputError as error:
            raise Unavailable(str(error)) from error

    def stop(self) -> None:
        """Makes `items` end."""
        self._stopped.set()

    def _is_stopped(self) -> bool:
        return self._stopped.is_set()
