"""Puts messages together that come in chunks, some at a time, within bounded memory."""

from collections import OrderedDict

from edgekit.errors import InputError
from edgekit.learning.federated.framing import Reassembly, decode_chunk


class Inbox:
    """What one sender says. Not for several threads at once.

    Args:
        limit_bytes: what one message may hold.
        most: how many messages may be unfinished; the one that was heard of longest ago gives way.
    """

    def __init__(self, limit_bytes: int, *, most: int = 4) -> None:
        self._limit, self._most = limit_bytes, most
        self._begun: OrderedDict[bytes, Reassembly] = OrderedDict()

    def add(self, payload: bytes) -> bytes | None:
        """Takes a chunk; the message it was the last of, if it was.

        Raises:
            InputError: it is no chunk, its message is too large, or damaged.
        """
        chunk = decode_chunk(payload)
        parts = self._begun.setdefault(chunk.of, Reassembly(self._limit))
        self._begun.move_to_end(chunk.of)
        try:
            message = parts.add(chunk)
        except InputError:
            del self._begun[chunk.of]
            raise
        if message is not None:
            del self._begun[chunk.of]
        while len(self._begun) > self._most:
            self._begun.popitem(last=False)
        return message

    @property
    def unfinished(self) -> dict[bytes, tuple[int, ...]]:
        """Which chunks are missing, by the message's name, the longest silent one first."""
        return {name: tuple(parts.missing) for name, parts in self._begun.items()}
