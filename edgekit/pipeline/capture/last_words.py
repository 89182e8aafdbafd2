"""Keeps the last lines that a child wrote to its stderr, for the error when it fails."""

import os
import re
from contextlib import suppress
from typing import Final

KEPT_BYTES: Final = 2048
_READ_BYTES: Final = 65_536
_ADDRESS = re.compile(r" @ 0x[0-9a-f]+")
_QUERY = re.compile(r"(?<=\S)\?\S+")
_SECRET = re.compile(r"//[^\s/@]*@")


class LastWords:
    """The reading end of a child's stderr.

    The pipe never blocks the child: what finds no room in it is lost. Nothing of it is logged, so
    a decoder that complains of each picture floods no log.
    """

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self.writer, False)
        self._kept = b""
        self._is_closed = False

    def drain(self) -> None:
        """Takes what is there, without waiting."""
        if self._is_closed:
            return
        with suppress(OSError):
            self._kept = (self._kept + os.read(self._reader, _READ_BYTES))[-KEPT_BYTES:]

    def quoted(self, lines: int = 2) -> str:
        """The last lines on one line, or nothing."""
        self.drain()
        words = " / ".join(readable_lines(self._kept)[-lines:])
        return without_secrets(_ADDRESS.sub("", words))

    def close_writer(self) -> None:
        """Once the child has its own."""
        os.close(self.writer)

    def close(self) -> None:
        """Takes what is there a last time and lets go of the reading end."""
        self.drain()
        self._is_closed = True
        os.close(self._reader)


def readable_lines(data: bytes) -> list[str]:
    """The lines of what a program wrote, without blank ones and control characters."""
    text = data.decode("utf-8", "replace")
    lines = ("".join(c if c.isprintable() else " " for c in line) for line in text.splitlines())
    return [line.strip() for line in lines if line.strip()]


def without_secrets(text: str) -> str:
    """The text without the user, the password and the query of any address in it."""
    return _QUERY.sub("", _SECRET.sub("//***@", text))
