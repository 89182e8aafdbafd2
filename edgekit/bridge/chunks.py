"""Messages in several frames: cut on one side, joined on the other."""

from collections.abc import Iterator

from edgekit.bridge.framing import WHOLE, Flags, Frame
from edgekit.bridge.packets import Status, Type

_NEVER_CHUNKED = (Type.ACK, Type.TIME, Type.HEARTBEAT, Type.DATA)


class OutOfTurn(Exception):
    """A chunk that belongs to no message; `status` is what a reliable one is answered with."""

    def __init__(self, status: Status) -> None:
        self.status = status
        super().__init__(status.name)


def cut(payload: bytes, room: int) -> Iterator[tuple[Flags, bytes]]:
    """The pieces of a payload, each at most `room` bytes, with the flags they travel under."""
    for start in range(0, len(payload), room):
        flags = Flags.FIRST if start == 0 else Flags(0)
        if start + room >= len(payload):
            flags |= Flags.LAST
        yield flags, payload[start : start + room]


class Gathering:
    """Joins the chunks of one row; holds one message at most, and no more than it may be long."""

    def __init__(self, longest: int) -> None:
        """Holds nothing yet.

        Args:
            longest: bytes that a whole message may have.
        """
        self._longest = longest
        self._type: int | None = None
        self._next = 0
        self._pieces = bytearray()

    @property
    def held(self) -> int:
        """Bytes that it holds."""
        return len(self._pieces)

    def forget(self) -> None:
        """What was gathered is of no use any more."""
        self._type = None
        self._pieces.clear()

    def push(self, frame: Frame) -> bytes | None:
        """Takes the next frame of the row; gives the payload that it completes.

        Raises:
            OutOfTurn: it is the middle of nothing, one before it is missing, or all of them
                together are too long.
        """
        parts = frame.flags & WHOLE
        if parts == WHOLE:
            self.forget()
            if len(frame.payload) > self._longest:
                raise OutOfTurn(Status.TOO_LONG)
            return frame.payload
        if frame.type in _NEVER_CHUNKED:
            self.forget()
            raise OutOfTurn(Status.REFUSED)
        if parts & Flags.FIRST:
            self.forget()
            self._type = frame.type
        elif self._type != frame.type or self._next != frame.seq:
            self.forget()
            raise OutOfTurn(Status.REFUSED)
        if len(self._pieces) + len(frame.payload) > self._longest:
            self.forget()
            raise OutOfTurn(Status.TOO_LONG)
        self._pieces += frame.payload
        self._next = (frame.seq + 1) & 0xFFFF
        if not parts & Flags.LAST:
            return None
        whole = bytes(self._pieces)
        self.forget()
        return whole

    def take_back(self, last: Frame, whole: bytes) -> None:
        """Holds a message again but for its last chunk, which will come once more.

        Args:
            last: the frame that completed it.
            whole: the payload that this gave.
        """
        if last.flags & WHOLE == WHOLE:
            return
        self._type, self._next = last.type, last.seq
        self._pieces[:] = whole[: -len(last.payload)]
