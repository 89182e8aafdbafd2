"""What a board tells a coordinator of itself, and when that is worth a message."""

from dataclasses import dataclass

import msgspec

from edgekit.messaging.payloads import FederatedReady

_LEAST_S = 2.0
_COUNTS_S = 300.0
_WORTH = 0.1


@dataclass
class Readiness:
    """Remembers what was said last, so that idle boards say little.

    A change of heart is told within seconds, a number of samples that has moved by a tenth every
    five minutes at most.
    """

    _said: FederatedReady | None = None
    _said_s: float = 0.0

    def is_due(self, now: FederatedReady, now_s: float) -> bool:
        """Whether something is worth saying; `classes` are not looked at."""
        if self._said is None:
            return True
        since_s = now_s - self._said_s
        before = msgspec.structs.replace(self._said, classes=None)
        if msgspec.structs.replace(now, samples=before.samples, classes=None) != before:
            return since_s >= _LEAST_S
        moved = abs(now.samples - before.samples)
        return moved > _WORTH * before.samples and since_s >= _COUNTS_S

    def said(self, what: FederatedReady, now_s: float) -> None:
        """It was said."""
        self._said, self._said_s = what, now_s

    def forget(self) -> None:
        """Nobody may know any more what was said."""
        self._said = None
