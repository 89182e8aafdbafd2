"""What the capture child and its parent say to each other.

They share a block of memory, owned by the parent and cut into slots of one picture each, and a
socket that keeps message boundaries. A slot is written by the child alone until it says
`Captured`, and read by the parent alone until it says `Release`: there is no lock that could
die with the child, and the socket's end tells each of the other's death.
"""

import socket
from typing import Literal

import msgspec

from edgekit.bundle import PictureRule

SLOTS = 3
"""One that is being written, one that waits, one that is being read."""

MESSAGE_LIMIT_BYTES = 16_384


class Request(msgspec.Struct, frozen=True):
    """The first message to the child: what to read, and the pictures to make of it."""

    kind: Literal["video", "images"]
    path: str
    rule: PictureRule
    realtime: bool = False
    loop: bool = False


class Release(msgspec.Struct, frozen=True, tag=True):
    """To the child: a slot is free again."""

    slot: int


class Captured(msgspec.Struct, frozen=True, tag=True):
    """To the parent: a slot holds a picture. Times are as in `Sample`."""

    slot: int
    taken_at_ns: int
    taken_at_ms: int
    origin: str


class Refused(msgspec.Struct, frozen=True, tag=True):
    """To the parent: something that should have been a picture is none."""

    reason: str


class Failed(msgspec.Struct, frozen=True, tag=True):
    """To the parent, last: the source cannot be read at all."""

    reason: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """To the parent, last: the source has no more."""


ToParent = Captured | Refused | Failed | Ended
_decoder = msgspec.msgpack.Decoder(ToParent)
_release_decoder = msgspec.msgpack.Decoder(Release)
_request_decoder = msgspec.msgpack.Decoder(Request)


def send(link: socket.socket, message: msgspec.Struct) -> None:
    """Sends one message.

    Raises:
        OSError: the other side is gone.
    """
    link.send(msgspec.msgpack.encode(message))


def receive(link: socket.socket) -> ToParent | None:
    """The parent's next message; `None` when the child is gone."""
    data = link.recv(MESSAGE_LIMIT_BYTES)
    return _decoder.decode(data) if data else None


def receive_release(link: socket.socket) -> int | None:
    """The child's next free slot; `None` when the parent is gone."""
    data = link.recv(MESSAGE_LIMIT_BYTES)
    return _release_decoder.decode(data).slot if data else None


def receive_request(link: socket.socket) -> Request:
    """The child's orders."""
    return _request_decoder.decode(link.recv(MESSAGE_LIMIT_BYTES))
