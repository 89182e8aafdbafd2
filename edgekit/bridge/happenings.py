"""What can happen on a link, as whoever runs it is told."""

from dataclasses import dataclass

from edgekit.bridge import packets as p
from edgekit.bridge.framing import Damage
from edgekit.bridge.reliable import Settled


@dataclass(frozen=True)
class Opened:
    """The session is open; `is_new` where the other end has started since the last one."""

    hello: p.Hello
    is_new: bool


@dataclass(frozen=True)
class Closed:
    """The session is not open any more."""

    reason: str


@dataclass(frozen=True)
class Introduced:
    """The other end's tables have changed while the session is open."""

    hello: p.Hello


@dataclass(frozen=True)
class Arrived:
    """A packet has come.

    Attributes:
        packet: what it says.
        at_ns: when its last byte had come.
    """

    packet: p.Packet
    at_ns: int


Happening = Opened | Closed | Introduced | Arrived | Settled | Damage
