"""The file in which another program gives its pictures, and a writer for programs in Python.

One header of `HEADER_BYTES`, little-endian, then `height * width * 3` bytes of pixels, row by row:

| at | type | what |
| --- | --- | --- |
| 0 | 8 bytes | the magic `EDGEKITP` |
| 8 | uint32 | the version, 1 |
| 12 | uint32 | height |
| 16 | uint32 | width |
| 20 | uint32 | the order of the colours: 0 RGB, 1 BGR |
| 24 | uint64 | the sequence: odd while a picture is being written, raised by 2 by each |
| 32 | uint64 | when it was taken, nanoseconds of CLOCK_MONOTONIC; 0 where that is unknown |
| 40 | 24 bytes | zero |

The sequence is a seqlock: a reader takes it before and after the pixels, and a picture counts only
where both are equal and even. Here both sides go through `pread` and `pwrite`, whose locks in the
kernel keep the order of stores; who writes through a mapping in C needs a release fence after the
odd sequence and before the even one. A file is never resized: a new size is a new file, renamed
over the old one.
"""

import os
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError

MAGIC, VERSION = b"EDGEKITP", 1
HEADER_BYTES = 64
SIDE_LIMIT = 16_384

_LAYOUT = struct.Struct("<8sIIIIQQ")
_SEQUENCE_AT = 24
_ORDERS: tuple[Literal["RGB"], Literal["BGR"]] = ("RGB", "BGR")


@dataclass(frozen=True)
class Header:
    """What stands before the pixels.

    Attributes:
        height: in pixels.
        width: in pixels.
        channels: the order of the colours.
        sequence: odd while a picture is being written.
        taken_at_ns: by `time.monotonic_ns`; 0 where that is unknown.
    """

    height: int
    width: int
    channels: Literal["RGB", "BGR"]
    sequence: int
    taken_at_ns: int

    @property
    def picture_bytes(self) -> int:
        """How many bytes of pixels follow."""
        return self.height * self.width * 3

    def to_bytes(self) -> bytes:
        """As it stands in the file."""
        order = _ORDERS.index(self.channels)
        packed = _LAYOUT.pack(
            *(MAGIC, VERSION, self.height, self.width, order),
            *(self.sequence, self.taken_at_ns),
        )
        return packed.ljust(HEADER_BYTES, b"\0")


def decode_header(data: bytes) -> Header:
    """The header that a file begins with.

    Raises:
        InputError: it is none, or one of another version.
    """
    if len(data) < HEADER_BYTES or data[:8] != MAGIC:
        raise InputError("holds no pictures for edgekit; look at its header")
    _, version, height, width, order, sequence, taken_at_ns = _LAYOUT.unpack_from(data)
    if version != VERSION:
        raise InputError(f"is of version {version}, and only {VERSION} is known")
    if not (1 <= height <= SIDE_LIMIT and 1 <= width <= SIDE_LIMIT and order < len(_ORDERS)):
        raise InputError(f"says {width} x {height}, colours {order}, which cannot be")
    return Header(height, width, _ORDERS[order], sequence, taken_at_ns)


class ShmWriter:
    """Gives pictures to the source `shm`. One writer a file.

    Example:
        with ShmWriter(Path("/dev/shm/edgekit-door"), height=480, width=640) as writer:
            writer.write(picture)
    """

    def __init__(
        self, path: Path, *, height: int, width: int, channels: Literal["RGB", "BGR"] = "RGB"
    ) -> None:
        self._path = path
        self._header = Header(height, width, channels, 0, 0)
        self._descriptor = -1

    def __enter__(self) -> Self:
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        self._descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o640)
        try:
            os.truncate(self._descriptor, HEADER_BYTES + self._header.picture_bytes)
            os.pwrite(self._descriptor, self._header.to_bytes(), 0)
            fresh.rename(self._path)
        except OSError:
            os.close(self._descriptor)
            fresh.unlink(missing_ok=True)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Takes the file away, if it is still this writer's."""
        with suppress(FileNotFoundError):
            if self._path.stat().st_ino == os.fstat(self._descriptor).st_ino:
                self._path.unlink()
        os.close(self._descriptor)

    def write(self, picture: Array, *, taken_at_ns: int | None = None) -> None:
        """Gives one picture.

        Args:
            picture: uint8 `[height, width, 3]`.
            taken_at_ns: when it was taken, by `time.monotonic_ns`; by default now.

        Raises:
            InputError: the picture is of another size or type.
        """
        header = self._header
        if picture.dtype != np.uint8 or picture.shape != (header.height, header.width, 3):
            raise InputError(
                f"a picture of {picture.dtype} {picture.shape} for a file of uint8 "
                f"({header.height}, {header.width}, 3)"
            )
        sequence = header.sequence
        taken_at_ns = time.monotonic_ns() if taken_at_ns is None else taken_at_ns
        self._write_header(sequence + 1, taken_at_ns)
        _write_all(self._descriptor, np.ascontiguousarray(picture).data.cast("B"), HEADER_BYTES)
        self._write_header(sequence + 2, taken_at_ns)

    def _write_header(self, sequence: int, taken_at_ns: int) -> None:
        shape = self._header
        self._header = Header(shape.height, shape.width, shape.channels, sequence, taken_at_ns)
        changed = self._header.to_bytes()[_SEQUENCE_AT:]
        os.pwrite(self._descriptor, changed, _SEQUENCE_AT)


class ShmFile:
    """The reading side of such a file."""

    def __init__(self, path: Path) -> None:
        """Opens it.

        Raises:
            InputError: there is none, or its header is none.
        """
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise InputError(f"{error.strerror}; does the program that writes it run?") from error
        try:
            self.header()
        except InputError:
            self.close()
            raise

    def header(self) -> Header:
        """What its header says now.

        Raises:
            InputError: it is none.
        """
        try:
            return decode_header(os.pread(self._descriptor, HEADER_BYTES, 0))
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}") from error

    def picture(self, header: Header) -> Array | None:
        """The picture that a header speaks of, unless it was written over meanwhile.

        Raises:
            InputError: the file is shorter than its header says.
        """
        picture = np.empty((header.height, header.width, 3), np.uint8)
        view, at = picture.data.cast("B"), 0
        while at < len(view):
            count = os.preadv(self._descriptor, [view[at:]], HEADER_BYTES + at)
            if count == 0:
                raise InputError("is shorter than its header says")
            at += count
        after = self.header()
        return picture if after == header and header.sequence % 2 == 0 else None

    def is_current(self) -> bool:
        """Whether its name still leads to it."""
        try:
            return os.stat(self._path).st_ino == os.fstat(self._descriptor).st_ino  # noqa: PTH116
        except OSError:
            return False

    def close(self) -> None:
        """Lets go of it."""
        os.close(self._descriptor)


def _write_all(descriptor: int, data: memoryview, offset: int) -> None:
    at = 0
    while at < len(data):
        at += os.pwrite(descriptor, data[at:], offset + at)
