"""What the outbox keeps: a message with its rank, and how its late delivery is marked."""

from dataclasses import dataclass
from enum import IntEnum

_OVERHEAD_BYTES = 64
"""What a row takes beside topic and payload: ids, times, its places in the trees."""


class Priority(IntEnum):
    """Which messages make room first where there is none: those of the lower number."""

    TELEMETRY = 0
    EVENT = 1


@dataclass(frozen=True)
class Letter:
    """A message on its way to the disk.

    Attributes:
        topic: where to.
        payload: the bytes.
        priority: telemetry makes room for events.
    """

    topic: str
    payload: bytes
    priority: Priority

    @property
    def size_bytes(self) -> int:
        """What it counts towards the cap."""
        return len(self.topic.encode()) + len(self.payload) + _OVERHEAD_BYTES


@dataclass(frozen=True)
class Stored(Letter):
    """A message that is on the disk.

    Attributes:
        id: counts what was stored, over all runs.
        expires_s: when it is too old to send, by the outbox's own clock.
        is_late: whether it was stored in an earlier run or while the broker was away.
    """

    id: int
    expires_s: float
    is_late: bool = False

    @property
    def outgoing(self) -> bytes:
        """The payload as it is sent: one that is late says so."""
        return marked_late(self.payload) if self.is_late else self.payload


def marked_late(payload: bytes) -> bytes:
    """A JSON object with `"hist": true` added; anything else unchanged.

    Args:
        payload: one that has no `hist` of its own.
    """
    body = payload.strip()
    if not (body.startswith(b"{") and body.endswith(b"}")):
        return payload
    comma = b"" if body[1:-1].strip() == b"" else b","
    return body[:-1] + comma + b'"hist":true}'
