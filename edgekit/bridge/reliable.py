"""Sends messages one frame at a time, each again until it is acknowledged or given up."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from edgekit.bridge.chunks import cut
from edgekit.bridge.counts import LinkCounts
from edgekit.bridge.framing import Flags, Frame
from edgekit.bridge.packets import Status

_WAITS_S = (0.25, 0.5, 1.0, 2.0, 2.0)
_SLOW_BAUD = 115_200
_SLOW_BYTES = 1024


@dataclass(frozen=True)
class Settled:
    """What became of a reliable message.

    Attributes:
        ticket: as `ReliableSender.put` gave it.
        status: what the other end said; `None` where it was given up.
    """

    ticket: int
    status: Status | None


@dataclass
class _Message:
    ticket: int
    type: int
    frames: deque[tuple[Flags, bytes]] = field(default_factory=deque)


class ReliableSender:
    """Keeps one frame under way, as the protocol's window of 1 has it.

    Pure: it is told the time. A frame is repeated with its number after 250 ms, 500 ms, 1 s and
    2 s, and given up 2 s after the fifth time; on slow lines all of that is longer.

    Attributes:
        due_ns: when `tick` has to be called next; `None` where nothing is under way.
    """

    def __init__(
        self,
        send: Callable[[Frame], None],
        counts: LinkCounts,
        *,
        baud: int | None = None,
        most_waiting: int = 32,
        first_number: int = 0,
    ) -> None:
        """Nothing waits yet.

        Args:
            send: puts a frame onto the line.
            counts: where repetitions, and what is given up, are counted.
            baud: of the line, where it has one.
            most_waiting: how many messages may wait.
            first_number: of the first frame.
        """
        more_s = 0.0
        if baud is not None and baud < _SLOW_BAUD:
            more_s = _SLOW_BYTES * 10 / baud
        first_s = _WAITS_S[0] + more_s
        self._waits_ns = [round(first_s / _WAITS_S[0] * wait * 1e9) for wait in _WAITS_S]
        self._send = send
        self._counts = counts
        self._most_waiting = most_waiting
        self._number = first_number
        self._ticket = 0
        self._waiting: deque[_Message] = deque()
        self._under_way: Frame | None = None
        self._attempts = 0
        self.due_ns: int | None = None

    def put(self, kind: int, payload: bytes, *, room: int) -> int | None:
        """Has a message sent in its turn; gives its ticket, or `None` where too many wait.

        Args:
            kind: the frames' type.
            payload: of the whole message.
            room: bytes of payload that a frame to the other end may carry.
        """
        if len(self._waiting) >= self._most_waiting:
            self._counts.tx_dropped += 1
            return None
        self._ticket += 1
        self._waiting.append(_Message(self._ticket, kind, deque(cut(payload, room))))
        return self._ticket

    def tick(self, now_ns: int) -> list[Settled]:
        """Sends what is due."""
        settled = []
        if self._under_way is not None and self.due_ns is not None and now_ns >= self.due_ns:
            if self._attempts >= len(self._waits_ns):
                settled.append(self._settle(None))
                self._counts.tx_dropped += 1
            else:
                self._counts.tx_repeats += 1
                self._transmit(now_ns)
        if self._under_way is None and self._waiting:
            message = self._waiting[0]
            flags, piece = message.frames[0]
            number, self._number = self._number, (self._number + 1) & 0xFFFF
            self._under_way = Frame(message.type, flags | Flags.RELIABLE, number, piece)
            self._attempts = 0
            self._transmit(now_ns)
        return settled

    def acknowledged(self, number: int, status: Status) -> list[Settled]:
        """An ACK has come."""
        if self._under_way is None or number != self._under_way.seq or status is Status.BUSY:
            return []
        if status is not Status.OK:
            return [self._settle(status)]
        message = self._waiting[0]
        message.frames.popleft()
        self._under_way = self.due_ns = None
        if message.frames:
            return []
        return [self._settle(status)]

    def give_up(self) -> list[Settled]:
        """Nothing that waits will be acknowledged any more."""
        self._counts.tx_dropped += len(self._waiting)
        settled = []
        while self._waiting:
            settled.append(self._settle(None))
        return settled

    def _transmit(self, now_ns: int) -> None:
        assert self._under_way is not None
        self._send(self._under_way)
        self.due_ns = now_ns + self._waits_ns[self._attempts]
        self._attempts += 1

    def _settle(self, status: Status | None) -> Settled:
        self._under_way = self.due_ns = None
        return Settled(self._waiting.popleft().ticket, status)

    @property
    def has_work(self) -> bool:
        """Whether a frame could go out now."""
        return self._under_way is None and bool(self._waiting)
