"""Reads the one kind of archive that edgekit writes: xz over USTAR, plain files, nothing else.

The standard library's tarfile knows links, devices, sparse files and headers of any size. A bundle
has none of these, so a reader that cannot express them needs no filter against them.
"""

import lzma
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edgekit.errors import BundleError

_BLOCK = 512
_CHUNK = 1 << 16
_MEMORY_BYTES = 96 << 20
"""What the decompressor may take: 65 MB for edgekit's own archives."""
_MAX_FILES = 1000
_MAX_DEPTH = 16


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Attributes:
        name: its path below the bundle's folder, checked.
        size_bytes: how long it is.
        content: its bytes; what was not read is passed over.
    """

    name: str
    size_bytes: int
    content: Iterator[bytes]


def read_archive(chunks: Iterable[bytes], *, limit_bytes: int, where: str) -> Iterator[Member]:
    """The files of a `.tar.xz`, in its order.

    Args:
        chunks: the archive.
        limit_bytes: how many bytes all files together may have.
        where: what to call it in an error.

    Raises:
        BundleError: damaged, larger than allowed, or holding anything but plain files with plain
            relative names.
    """
    stream = _Stream(_decompressed(chunks, where), where)
    seen: set[str] = set()
    left = limit_bytes
    while any(header := stream.exactly(_BLOCK)):
        name, size = _header(header, where)
        if name in seen:
            raise BundleError(f"{where}: holds {name} twice")
        seen.add(name)
        left -= size
        if left < 0 or len(seen) > _MAX_FILES:
            raise BundleError(f"{where}: unpacks to more than was signed ({limit_bytes} bytes)")
        content = stream.pieces(size)
        yield Member(name, size, content)
        for _ in content:
            pass
        stream.exactly(-size % _BLOCK)
    stream.only_zeros_left()


def _decompressed(chunks: Iterable[bytes], where: str) -> Iterator[bytes]:
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_BYTES)
    try:
        for chunk in chunks:
            if decompressor.eof:
                raise BundleError(f"{where}: has bytes behind its end")
            data = decompressor.decompress(chunk, _CHUNK)
            yield data
            while not decompressor.eof and not decompressor.needs_input:
                yield decompressor.decompress(b"", _CHUNK)
    except lzma.LZMAError as error:
        raise BundleError(f"{where}: is no archive that can be unpacked: {error}") from error
    if not decompressor.eof or decompressor.unused_data:
        raise BundleError(f"{where}: is cut off or has bytes behind its end")


class _Stream:
    """Hands out a stream of chunks in pieces of exact length."""

    def __init__(self, chunks: Iterator[bytes], where: str) -> None:
        self._chunks = chunks
        self._rest = b""
        self._where = where

    def exactly(self, count: int) -> bytes:
        return b"".join(self.pieces(count))

    def pieces(self, count: int) -> Iterator[bytes]:
        while count:
            if not self._rest:
                self._rest = next(self._chunks, b"") or self._refill()
            piece, self._rest = self._rest[:count], self._rest[count:]
            count -= len(piece)
            yield piece

    def only_zeros_left(self) -> None:
        if self._rest.strip(b"\0") or any(chunk.strip(b"\0") for chunk in self._chunks):
            raise BundleError(f"{self._where}: has files behind its end")

    def _refill(self) -> bytes:
        for chunk in self._chunks:
            if chunk:
                return chunk
        raise BundleError(f"{self._where}: is cut off")


def _header(block: bytes, where: str) -> tuple[str, int]:
    """The name and size in a USTAR header of a plain file."""
    kept = block[:148] + b" " * 8 + block[156:]
    if _octal(block[148:156], where) != sum(kept):
        raise BundleError(f"{where}: a header's checksum is wrong")
    if block[257:265] != b"ustar\x0000" or block[156:157] != b"0":
        raise BundleError(f"{where}: holds something that is no plain file")
    try:
        name, prefix = (_text(block[start:end]) for start, end in ((0, 100), (345, 500)))
    except UnicodeDecodeError as error:
        raise BundleError(f"{where}: holds a name that is not UTF-8") from error
    path = f"{prefix}/{name}" if prefix else name
    parts = path.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in path or len(parts) > _MAX_DEPTH:
        raise BundleError(f"{where}: holds {path!r}, which is no plain relative path")
    return path, _octal(block[124:136], where)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode()


def _octal(field: bytes, where: str) -> int:
    digits = field.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise BundleError(f"{where}: a header's number cannot be read")
    return int(digits, 8)
