"""Gives the rows that another program writes to standard input, one sample a row."""

import contextlib
import os
import select
import socket
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from edgekit.errors import InputError, Unavailable
from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.row_lines import LineFormat, LineSplitter, RowLines
from edgekit.pipeline.sources.row_samples import sample_of

_READ_BYTES = 65536


class StdinSource:
    """The rows of a stream: CSV under a header, or a JSON document a line.

    A row's time is that of its time column where one is named, else the moment it was read.
    Nothing is read ahead of the work but what one read gives: the pipe makes the writer wait.
    Entered again, it goes on where it was.
    """

    def __init__(
        self,
        *,
        columns: tuple[str, ...],
        time_column: str | None = None,
        line_format: LineFormat | None = None,
        descriptor: int = 0,
    ) -> None:
        """Prepares the source; nothing is read yet.

        Args:
            columns: columns of the header, or fields of the documents as paths with dots.
            time_column: the column or field with the time of a row.
            line_format: what the lines are; by default the first one tells.
            descriptor: what to read, an open file descriptor; it is left open.
        """
        self._descriptor = descriptor
        self._splitter = LineSplitter()
        self._rows = RowLines("stdin", columns, time_column=time_column, line_format=line_format)
        self._lines: deque[bytes | None] = deque()
        self._alarm: socket.socket | None = None
        self._bell: socket.socket | None = None
        self._stopped = False

    def __enter__(self) -> Self:
        self._bell, self._alarm = socket.socketpair()
        self._alarm.setblocking(False)
        self._stopped = False
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        for end in (self._bell, self._alarm):
            if end is not None:
                end.close()

    def items(self) -> Iterator[Sample | Refusal]:
        """Each row float64 `[columns]`, or why it cannot be one, until the stream ends.

        Raises:
            Unavailable: the stream cannot be read, or its header lacks a column.
        """
        try:
            has_more = True
            while has_more and not self._stopped:
                has_more = self._read()
                while self._lines and not self._stopped:
                    row = self._rows.push(self._lines.popleft())
                    if row is not None:
                        yield sample_of(row, "stdin")
        except InputError as error:
            raise Unavailable(str(error)) from error
        except OSError as error:
            raise Unavailable(f"stdin: cannot be read: {error.strerror}") from error

    def stop(self) -> None:
        """Makes `items` end, even while nothing comes."""
        self._stopped = True
        if self._alarm is not None:
            with contextlib.suppress(OSError):  # full, so it will wake; or closed, so it has ended
                self._alarm.send(b"\0")

    def _read(self) -> bool:
        """Waits for bytes unless lines are left; says whether more may come."""
        if self._lines:
            return True
        assert self._bell is not None, "entering made it"
        events = select.poll()
        events.register(self._bell, select.POLLIN)
        events.register(self._descriptor, select.POLLIN)
        events.poll()
        if self._stopped:
            return False
        data = os.read(self._descriptor, _READ_BYTES)
        self._lines.extend(self._splitter.feed(data) if data else self._splitter.end())
        return bool(data)
