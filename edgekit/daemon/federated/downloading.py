"""Fetches a global model, chunk by chunk."""

from edgekit.errors import InputError
from edgekit.learning.federated.framing import Reassembly, decode_chunk


class Download:
    """A model on its way to the board.

    Args:
        name: the first 16 bytes of its SHA-256.
        size_bytes: how long it is.
        now_s: seconds that never jump.
    """

    def __init__(self, name: bytes, size_bytes: int, now_s: float) -> None:
        self.name = name
        self._whole = Reassembly(size_bytes)
        self._moved_s = now_s
        self._held = -1

    def add(self, payload: bytes, now_s: float) -> bytes | None:
        """Takes a chunk; the message, once none is missing.

        Raises:
            InputError: it is no chunk of this model.
        """
        chunk = decode_chunk(payload)
        if chunk.of != self.name:
            raise InputError("the chunk is of another model")
        message = self._whole.add(chunk)
        left = len(self._whole.missing)
        if left != self._held:
            self._held, self._moved_s = left, now_s
        return message

    def has_stalled(self, now_s: float, patience_s: float) -> bool:
        """Whether nothing new has come for so long; then it is time to ask again."""
        if now_s - self._moved_s < patience_s:
            return False
        self._moved_s = now_s
        return True
