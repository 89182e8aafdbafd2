"""Cuts a stream of JPEG pictures, one behind the other, into pictures."""

_BEGIN, _END, _AGAIN = b"\xff\xd8\xff", b"\xff\xd9", b"\xff\xd8"
_SCAN = 0xDA
_ALONE = frozenset((0x00, 0x01, *range(0xD0, 0xDA)))
"""Markers without a length, which have no place in a picture's head."""


class MjpegSplitter:
    """Takes bytes as they come and gives whole pictures; skips what is between them.

    Walks a picture's segments by their lengths up to its scan, so that a thumbnail in its head
    ends nothing; an encoder never writes an end marker within a scan (ITU-T T.81, B.1.1). A
    picture whose end never came is given up when the next one begins.
    """

    def __init__(self, *, limit_bytes: int = 32_000_000) -> None:
        """Holds nothing.

        Args:
            limit_bytes: a picture larger than this is taken for garbage.
        """
        self._limit_bytes = limit_bytes
        self._held = bytearray()
        self._at = 0  # where to look on; 0 while no picture has begun
        self._is_in_scan = False

    def push(self, data: bytes) -> list[bytes]:
        """The pictures that these bytes complete, in order; never fails."""
        self._held += data
        pictures: list[bytes] = []
        while self._step(pictures):
            pass
        if len(self._held) > self._limit_bytes:
            self._forget(len(self._held))
        return pictures

    def _step(self, pictures: list[bytes]) -> bool:
        """Goes one stretch further; `False` where that takes more bytes."""
        if self._at == 0:
            begin = self._held.find(_BEGIN)
            if begin < 0:
                self._forget(max(0, len(self._held) - len(_BEGIN) + 1))
                return False
            self._forget(begin)
            self._at = len(_AGAIN)
            return True
        return self._scan_step(pictures) if self._is_in_scan else self._head_step()

    def _head_step(self) -> bool:
        head = self._held[self._at : self._at + 4]
        if len(head) < 4:
            return False
        if head[0] == 0xFF and head[1] == 0xFF:  # a marker may be preceded by any number of these
            self._at += 1
            return True
        length = int.from_bytes(head[2:], "big")
        if head[0] != 0xFF or head[1] in _ALONE or length < 2:
            self._forget(len(_AGAIN))  # it was no picture
            return True
        self._at += 2 + length
        self._is_in_scan = head[1] == _SCAN
        return True

    def _scan_step(self, pictures: list[bytes]) -> bool:
        end = self._held.find(_END, self._at)
        again = self._held.find(_AGAIN, self._at, end if end >= 0 else len(self._held))
        if again >= 0:
            self._forget(again)
            return True
        if end < 0:
            self._at = max(self._at, len(self._held) - 1)
            return False
        pictures.append(bytes(self._held[: end + len(_END)]))
        self._forget(end + len(_END))
        return True

    def _forget(self, count: int) -> None:
        del self._held[:count]
        self._at, self._is_in_scan = 0, False
