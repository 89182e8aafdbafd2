"""What became of the messages that the outbox was given."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class OutboxCounts:
    """Counts since the outbox was opened, and what it holds now.

    Attributes:
        stored: committed to the disk.
        unstored: that the disk did not take; they went to the link's memory.
        sent: handed to the network, again where the broker did not confirm it.
        acknowledged: confirmed by the broker.
        backfilled: those of `acknowledged` that were late.
        expired: that grew too old before the broker took them.
        dropped: counts by reason: `full`, `refused`, `too large`.
        waiting: on the disk and not confirmed.
        waiting_bytes: what those count towards the cap.
    """

    stored: int = 0
    unstored: int = 0
    sent: int = 0
    acknowledged: int = 0
    backfilled: int = 0
    expired: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    waiting_bytes: int = 0
