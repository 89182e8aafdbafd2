"""Frames on a wire: COBS between zeros, a header, and a CRC-32 (`firmware_bridge/protocol.md`)."""

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

from edgekit.bridge.libraries import library

VERSION = 1
LONGEST_FRAME = 508
"""Bytes of header, payload and checksum."""
SHORTEST_FRAME = 10
OVERHEAD = 9
"""Bytes of header and checksum."""
LONGEST_ON_WIRE = 511
"""Bytes of a whole frame, with its delimiter."""

_HEADER = struct.Struct("<BBBH")
_CHECKSUM = struct.Struct("<I")
_RESERVED = 0xF8

Fault = Literal["cobs", "length", "crc", "version", "flags", "payload"]


class Flags(enum.IntFlag):
    """The bits of a header's third byte."""

    RELIABLE = 1
    FIRST = 2
    LAST = 4


WHOLE = Flags.FIRST | Flags.LAST
"""A message in one frame."""


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        type: what its payload is.
        flags: how it travels.
        seq: its number, 16 bits.
        payload: 1 to 499 bytes.
        version: of the protocol.
    """

    type: int
    flags: Flags
    seq: int
    payload: bytes
    version: int = VERSION


@dataclass(frozen=True)
class Damage:
    """Bytes between delimiters that were no frame, and why."""

    fault: Fault


def encode_frame(frame: Frame) -> bytes:
    """The frame as it goes onto the wire, with its delimiter.

    Raises:
        ValueError: its payload is empty or too long.
    """
    if not 1 <= len(frame.payload) <= LONGEST_FRAME - OVERHEAD:
        raise ValueError(f"a payload of {len(frame.payload)} bytes")
    body = _HEADER.pack(frame.version, frame.type, frame.flags, frame.seq) + frame.payload
    return bytes(library("cobs.cobs").encode(body + _CHECKSUM.pack(crc32(body)))) + b"\0"


def decode_frame(
    piece: bytes, *, version: int = VERSION, longest: int = LONGEST_FRAME
) -> Frame | Damage:
    """What stood between two delimiters.

    Args:
        piece: the bytes, none of them 0.
        version: the session's; a HELLO always has 1.
        longest: bytes that a frame may have before COBS.
    """
    cobs = library("cobs.cobs")
    try:
        data: bytes = cobs.decode(piece)
    except cobs.DecodeError:
        return Damage("cobs")
    if not SHORTEST_FRAME <= len(data) <= longest:
        return Damage("length")
    body, checksum = data[:-4], _CHECKSUM.unpack(data[-4:])[0]
    if crc32(body) != checksum:
        return Damage("crc")
    spoken, kind, flags, seq = _HEADER.unpack_from(body)
    if spoken != (VERSION if kind == _HELLO else version):
        return Damage("version")
    if flags & _RESERVED:
        return Damage("flags")
    return Frame(kind, Flags(flags), seq, body[_HEADER.size :], spoken)


_HELLO = 1


class FrameReader:
    """Finds frames in bytes as they come; holds less than one of them, whatever comes.

    Attributes:
        version: the session's.
        high_water: the most bytes it has ever held.
    """

    def __init__(self, *, longest: int = LONGEST_FRAME) -> None:
        self.version = VERSION
        self.high_water = 0
        self._longest = longest
        self._room = longest + 1 + longest // 254  # of COBS, without the delimiter
        self._held = bytearray()
        self._is_skipping = False
        self._beyond = 0
        """Bytes that the last block of what is skipped still wants."""

    @property
    def held(self) -> int:
        """Bytes of a frame that has not ended yet."""
        return len(self._held)

    def feed(self, data: bytes) -> Iterator[Frame | Damage]:
        """What the bytes complete, in order; empty frames are passed over."""
        *ended, rest = data.split(b"\0")
        for piece in ended:
            self._hold(piece)
            whole, was_skipping = bytes(self._held), self._is_skipping
            self._held.clear()
            self._is_skipping = False
            if was_skipping:
                yield Damage("cobs" if self._beyond else "length")
            elif whole:
                yield decode_frame(whole, version=self.version, longest=self._longest)
        self._hold(rest)

    def _hold(self, piece: bytes) -> None:
        if self._is_skipping:
            self._beyond = _beyond(piece, self._beyond)
            return
        if len(self._held) + len(piece) > self._room:
            self._is_skipping = True
            self._beyond = _beyond(bytes(self._held) + piece, 0)
            self._held.clear()
            self.high_water = self._room
            return
        self._held += piece
        self.high_water = max(self.high_water, len(self._held))


def _beyond(piece: bytes, at: int) -> int:
    """How far the last COBS block in a piece without zeros reaches beyond it.

    Args:
        piece: bytes, none of them 0.
        at: where its first whole block begins.
    """
    while at < len(piece):
        at += piece[at]
    return at - len(piece)
