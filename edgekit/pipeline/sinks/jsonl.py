"""Appends events to a file, a JSON document a line."""

import logging
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.errors import Unavailable
from edgekit.pipeline.message import payload_of
from edgekit.pipeline.parts import Event

_log = logging.getLogger(__name__)


class JsonlSink:
    """Each event is in the file, though not yet forced to the disk, when `send` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._has_complained = False

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            raise Unavailable(f"{self._path}: cannot be written: {error.strerror}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def send(self, event: Event) -> bool:
        """Appends an event; `False` when the file does not take it, or is closed already."""
        line = payload_of(event) + b"\n"
        try:
            written = self._file.write(line)
        except OSError as error:
            if not self._has_complained:
                _log.error("%s: cannot be written: %s", self._path, error.strerror)
            self._has_complained = True
            return False
        except ValueError:  # closed: a reload took the sink from a thread that still had it
            return False
        self._has_complained = False
        return written == len(line)
