"""What the capture child and its parent say to each other.

They share a block of memory, owned by the parent and cut into slots of one picture each, and a
socket that keeps message boundaries. The parent asks for one item at a time, and the child
answers with the newest it has. A slot is written by the child alone until it says `Captured`, and
read by the parent alone until it says `Release`: there is no lock that could die with the child,
and the socket's end tells each of the other's death.
"""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgekit.bundle import PictureRule
from edgekit.errors import Unavailable
from edgekit.pipeline.capture.settings import AnySettings, Hertz

SLOTS = 3
"""One that is being written, one that waits, one that is being read."""

MESSAGE_LIMIT_BYTES = 32_768
TEXT_LIMIT = 2000
"""Characters of a reason or an origin that are sent."""


class Request(msgspec.Struct, frozen=True):
    """The first message to the child: what to read, and the pictures to make of it."""

    settings: AnySettings
    rule: PictureRule


class Ask(msgspec.Struct, frozen=True, tag=True):
    """To the child: the parent takes one more item."""


class Release(msgspec.Struct, frozen=True, tag=True):
    """To the child: a slot is free again."""

    slot: int


class SetRate(msgspec.Struct, frozen=True, tag=True):
    """To the child: at most so many pictures a second from now on."""

    max_hz: Hertz | None


class Snapshot(msgspec.Struct, frozen=True, tag=True):
    """To the child, with a socket: write the newest picture into it as JPEG, and close it."""

    full: bool


class Alive(msgspec.Struct, frozen=True, tag=True):
    """To the parent, unasked: the reader moves, though there is no picture to give."""


class Opened(msgspec.Struct, frozen=True, tag=True):
    """To the parent, unasked: the source is open, and what it turned out to be."""

    description: str


class Captured(msgspec.Struct, frozen=True, tag=True):
    """To the parent: a slot holds a picture.

    Attributes:
        slot: which.
        taken_at_ns: as in `Sample`.
        taken_at_ms: as in `Sample`.
        origin: as in `Sample`.
        skipped: pictures since the last one that newer ones replaced before the parent asked.
        thinned: pictures since the last one that `max_hz` left out.
    """

    slot: int
    taken_at_ns: int
    taken_at_ms: int
    origin: str
    skipped: int = 0
    thinned: int = 0


class Refused(msgspec.Struct, frozen=True, tag=True):
    """To the parent: something that should have been a picture is none."""

    reason: str


class Failed(msgspec.Struct, frozen=True, tag=True):
    """To the parent, last: the source cannot be read at all."""

    reason: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """To the parent, last: the source has no more."""


ToParent = Alive | Opened | Captured | Refused | Failed | Ended
ToChild = Ask | Release | SetRate | Snapshot


def _path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"expected {kind.__name__}")


_encoder = msgspec.msgpack.Encoder(enc_hook=str)
_to_parent = msgspec.msgpack.Decoder(ToParent)
_to_child = msgspec.msgpack.Decoder(ToChild)
_request = msgspec.msgpack.Decoder(Request, dec_hook=_path)


def decode(data: bytes) -> ToParent:
    """A message to the parent.

    Raises:
        Unavailable: it is none; the child is not what it was.
    """
    try:
        message: ToParent = _to_parent.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unavailable(f"the capture process speaks nonsense: {error}") from error
    if isinstance(message, Captured) and not 0 <= message.slot < SLOTS:
        raise Unavailable(f"the capture process speaks of slot {message.slot}; it has {SLOTS}")
    return message


def encode(message: ToChild) -> bytes:
    """What `send` sends, for a message that is sent over and over."""
    return _encoder.encode(message)


def send(link: socket.socket, message: msgspec.Struct, files: Sequence[int] = ()) -> None:
    """Sends one message, with open files where there are any; never waits.

    Raises:
        OSError: the other side is gone, or has not read for long.
    """
    data = [_encoder.encode(message)]
    if files:
        socket.send_fds(link, data, files, socket.MSG_DONTWAIT)
    else:
        link.send(data[0], socket.MSG_DONTWAIT)


def receive_order(link: socket.socket) -> tuple[ToChild, int | None] | None:
    """The child's next order, with the open file that came along; `None`: the parent is gone."""
    data, files, _, _ = socket.recv_fds(link, MESSAGE_LIMIT_BYTES, 1)
    if not data:
        return None
    return _to_child.decode(data), files[0] if files else None


def receive_request(link: socket.socket) -> Request | None:
    """The child's first orders; `None`: the parent is gone."""
    data = link.recv(MESSAGE_LIMIT_BYTES)
    return _request.decode(data) if data else None
