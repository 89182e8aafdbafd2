"""Makes rows of bytes that come bit by bit: lines first, then CSV under a header, or JSON."""

import csv
from collections.abc import Iterator
from typing import Literal

import msgspec

from edgekit.errors import InputError
from edgekit.pipeline.row_fields import BadRow, Row, header_of, row_of_document, row_of_fields

LONGEST_LINE_BYTES = 1_000_000

LineFormat = Literal["csv", "json"]


class LineSplitter:
    """Cuts bytes into lines; one that is too long is dropped, and none fills the memory."""

    def __init__(self, longest_bytes: int = LONGEST_LINE_BYTES) -> None:
        self._longest_bytes = longest_bytes
        self._rest = b""
        self._drops = False

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """Each line that the bytes complete, without its end; `None` for one too long."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest
        for line in lines:
            if self._drops or len(line) > self._longest_bytes:
                self._drops = False
                yield None
            else:
                yield line
        if len(self._rest) > self._longest_bytes:
            self._rest, self._drops = b"", True

    def end(self) -> Iterator[bytes | None]:
        """The last line, where no end follows it."""
        if self._rest or self._drops:
            yield None if self._drops else self._rest
        self._rest, self._drops = b"", False


class RowLines:
    """Turns lines into rows. A row is a line: fields in quotes cannot hold line ends.

    Args:
        where: what the lines come from, for people.
        columns: which columns of the header, or which fields of each JSON document by paths
            joined by dots; in this order.
        time_column: the column or field with the time of a row.
        line_format: what the lines are; by default JSON where the first one begins with `{`.
    """

    def __init__(
        self,
        where: str,
        columns: tuple[str, ...],
        *,
        time_column: str | None = None,
        line_format: LineFormat | None = None,
    ) -> None:
        self._where = where
        self._columns = columns
        self._time_column = time_column
        self._asked_format = line_format
        self._line = 0
        self.begin()

    def begin(self) -> None:
        """What comes next is the start of a file: its first line is line 1, and may be a header."""
        self._line = 0
        self._format = self._asked_format
        self._header: dict[str, int] | None = None

    @property
    def knows_its_columns(self) -> bool:
        """Whether the next line can be a row: there was a header, or none is needed."""
        return self._header is not None or self._format == "json"

    def skip(self) -> None:
        """Counts a line that nobody wants."""
        self._line += 1

    def push(self, line: bytes | None) -> Row | BadRow | None:
        """The row of a line; `None` for a header or a blank line.

        Args:
            line: without its end; `None` for one that was too long to keep.

        Raises:
            InputError: it is the header, and lacks a column or cannot be read.
        """
        self._line += 1
        if line is None:
            return self._bad(f"is longer than {LONGEST_LINE_BYTES} bytes")
        if self._line == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line.strip():
            return None
        if self._format is None:
            self._format = "json" if line.lstrip().startswith(b"{") else "csv"
        return self._of_json(line) if self._format == "json" else self._of_csv(line)

    def _of_json(self, line: bytes) -> Row | BadRow:
        try:
            document = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return self._bad(f"is not JSON: {error}")
        return row_of_document(
            self._where,
            self._line,
            document,
            fields=self._columns,
            time_field=self._time_column,
        )

    def _of_csv(self, line: bytes) -> Row | BadRow | None:
        try:
            fields = next(csv.reader([line.decode().rstrip("\r")], strict=True), [])
        except UnicodeDecodeError as error:
            return self._unreadable(f"is not UTF-8 text: {error.reason}")
        except csv.Error as error:
            return self._unreadable(f"is not CSV: {error}")
        if self._header is None:
            wanted = [*self._columns, *([self._time_column] if self._time_column else [])]
            self._header = header_of(self._where, fields, wanted=wanted)
            return None
        return row_of_fields(
            self._where,
            self._line,
            fields,
            header=self._header,
            columns=self._columns,
            time_column=self._time_column,
        )

    def _unreadable(self, reason: str) -> BadRow:
        if self._header is None:
            raise InputError(f"{self._where}:{self._line}: its header {reason}")
        return self._bad(reason)

    def _bad(self, reason: str) -> BadRow:
        return BadRow(self._line, f"{self._where}:{self._line}: {' '.join(reason.split())[:200]}")
