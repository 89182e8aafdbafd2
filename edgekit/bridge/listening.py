"""What those hear who listen at a port."""

from dataclasses import dataclass
from typing import Protocol

from edgekit.bridge.happenings import Introduced, Opened
from edgekit.bridge.host import Samples, Scored


@dataclass(frozen=True)
class Gone:
    """The device, or the way to it, is not there any more; or samples are missing.

    Attributes:
        reason: one line.
        is_broken: whether the port was closed; it is opened again by itself.
    """

    reason: str
    is_broken: bool = False


Heard = Samples | Scored | Gone | Opened | Introduced


class Listener(Protocol):
    """Hears what happens at a port, on the port's thread: it must not wait for anything."""

    def hear(self, happening: Heard) -> None:
        """Takes what has happened."""
