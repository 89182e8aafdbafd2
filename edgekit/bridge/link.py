"""One end of a link: the session, what is sent once and what until acknowledged. No I/O."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal

from edgekit.bridge import packets as p
from edgekit.bridge.cbor import Malformed, encode
from edgekit.bridge.chunks import Gathering, OutOfTurn, cut
from edgekit.bridge.counts import LinkCounts
from edgekit.bridge.framing import (
    LONGEST_FRAME,
    OVERHEAD,
    WHOLE,
    Damage,
    Flags,
    Frame,
    FrameReader,
    encode_frame,
)
from edgekit.bridge.happenings import Arrived, Closed, Happening, Introduced, Opened
from edgekit.bridge.packets import Status, Type
from edgekit.bridge.reading import read_packet
from edgekit.bridge.reliable import ReliableSender
from edgekit.bridge.writing import payload_of, type_of

Side = Literal["host", "device"]

_SECOND_NS = 1_000_000_000
_SILENCE_NS = 5 * _SECOND_NS
_MOST_HELLOS = 100
_OLD_NUMBERS = 64
_FIRST_ROOM = 64 - OVERHEAD
_TAKES: dict[Side, tuple[Type, ...]] = {
    "host": (Type.DATA, Type.PREDICTION, Type.LOG, Type.RESPONSE, Type.TIME, Type.HEARTBEAT),
    "device": (Type.CONFIG, Type.COMMAND, Type.TIME, Type.HEARTBEAT),
}
_TIME_FROM: dict[Side, type] = {"host": p.TimeAnswer, "device": p.TimeQuestion}


class Link:
    """Speaks the protocol for one end; bytes and times go in, bytes and happenings come out.

    After `feed`, `tick` or any sending, `take` gives what has to go onto the line.

    Attributes:
        counts: what it has done.
        is_open: whether its side of the session is open.
        peer: the other end's newest HELLO.
    """

    def __init__(
        self,
        side: Side,
        *,
        nonce: int,
        introduce: Callable[[int], p.Device | None] = lambda now_ns: None,
        clock_us: Callable[[int], int] = lambda now_ns: now_ns // 1000,
        judge: Callable[[p.Packet], Status] = lambda packet: Status.OK,
        baud: int | None = None,
        max_frame: int = LONGEST_FRAME,
        max_message: int = p.LONGEST_MESSAGE,
        counts: LinkCounts | None = None,
    ) -> None:
        """Prepares; nothing is sent before the first `tick`.

        Args:
            side: which end this is.
            nonce: another one at each start, not 0.
            introduce: what a device's HELLO says of it, by the time.
            clock_us: this end's clock, by the time.
            judge: what a reliable packet is acknowledged with.
            baud: of the line, where it has one.
            max_frame: bytes of the longest frame that this end takes.
            max_message: bytes of the longest message.
            counts: to go on from.
        """
        self.counts = counts or LinkCounts()
        self.is_open = False
        self.peer: p.Hello | None = None
        self._side: Side = side
        self._nonce = nonce
        self._introduce = introduce
        self._clock_us = clock_us
        self._judge = judge
        self._limits = (max_frame, max_message)
        self._reader = FrameReader(longest=max_frame)
        self._sender = ReliableSender(self._send_frame, self.counts, baud=baud)
        self._out = bytearray()
        self._number = 0
        self._last_unreliable: int | None = None
        self._doubtful = 0
        """Frames missing before a HELLO: none, if that turns out to be a new session's."""
        self._last_reliable: int | None = None
        self._last_status = Status.OK
        self._once, self._surely = Gathering(max_message), Gathering(max_message)
        self._hello_due_ns: int | None = None
        self._beat_due_ns = 0
        self._heard_ns = 0
        self._hellos: deque[int] = deque(maxlen=_MOST_HELLOS)
        self._is_damaged = False
        self._has_news = False

    # What comes in.

    def feed(self, data: bytes, now_ns: int) -> Iterator[Happening]:
        """What bytes bring that came just now. It has to be followed to its end."""
        self.counts.rx_bytes += len(data)
        for found in self._reader.feed(data):
            if isinstance(found, Damage):
                self._count_damage(found)
                yield found
                continue
            self.counts.rx_frames += 1
            self.counts.resyncs += self._is_damaged
            self._is_damaged = False
            self._heard_ns = now_ns
            yield from self._take(found, now_ns)
        self.counts.rx_high_water = max(self.counts.rx_high_water, self._reader.high_water)

    def tick(self, now_ns: int) -> Iterator[Happening]:
        """Does what is due. It has to be followed to its end."""
        if self.is_open:
            if now_ns - self._heard_ns >= _SILENCE_NS:
                yield from self._close("nothing was heard for 5 s")
            elif now_ns >= self._beat_due_ns:
                self._beat_due_ns = now_ns + _SECOND_NS
                beat = p.Heartbeat(self._clock_us(now_ns), self.counts.counters())
                self.send(beat)
        if self.is_open:
            yield from self._sender.tick(now_ns)
        elif self._hello_due_ns is None or now_ns >= self._hello_due_ns:
            self._hello_due_ns = now_ns + _SECOND_NS
            self._send_hello(now_ns)

    @property
    def due_ns(self) -> int:
        """When `tick` has to be called next."""
        if not self.is_open:
            return self._hello_due_ns or 0
        if self._sender.has_work:
            return 0
        due = min(self._beat_due_ns, self._heard_ns + _SILENCE_NS)
        return due if self._sender.due_ns is None else min(due, self._sender.due_ns)

    @property
    def is_flooded(self) -> bool:
        """Whether the other end has sent more than 20 HELLO a second for 5 s."""
        full = len(self._hellos) == _MOST_HELLOS
        return full and self._hellos[-1] - self._hellos[0] < _SILENCE_NS

    # What goes out.

    def take(self) -> bytes:
        """What has to go onto the line now."""
        data = bytes(self._out)
        self._out.clear()
        self.counts.tx_bytes += len(data)
        return data

    @property
    def has_output(self) -> bool:
        """Whether `take` would give anything."""
        return bool(self._out)

    def send(self, packet: p.Packet) -> bool:
        """Sends a packet once; says whether it could be sent."""
        payload = payload_of(packet)
        if not self.is_open or len(payload) > self._longest_message:
            self.counts.tx_dropped += 1
            return False
        self._send_once(type_of(packet), payload, self._room)
        return True

    def send_surely(self, packet: p.Packet) -> int | None:
        """Sends a packet until it is acknowledged; gives the ticket that `Settled` will name.

        `None` where there is no session, the packet is too long for the other end, or too many
        wait already.
        """
        payload = payload_of(packet)
        if not self.is_open or len(payload) > self._longest_message:
            self.counts.tx_dropped += 1
            return None
        return self._sender.put(type_of(packet), payload, room=self._room)

    def introduce(self, now_ns: int) -> None:
        """Sends a HELLO, since what it says has changed."""
        self._send_hello(now_ns)

    # How that is done.

    @property
    def _room(self) -> int:
        assert self.peer is not None, "there is a session"
        return self.peer.session.max_frame - OVERHEAD

    @property
    def _longest_message(self) -> int:
        return 0 if self.peer is None else self.peer.session.max_message

    def _count_damage(self, damage: Damage) -> None:
        self._is_damaged = True
        if damage.fault in ("cobs", "length", "crc"):
            name = f"rx_{damage.fault}"
            setattr(self.counts, name, getattr(self.counts, name) + 1)
        else:
            self.counts.rx_dropped += 1

    def _take(self, frame: Frame, now_ns: int) -> Iterator[Happening]:
        if frame.type == Type.ACK:
            yield from self._take_ack(frame, now_ns)
        elif frame.type == Type.HELLO or not frame.flags & Flags.RELIABLE:
            yield from self._take_once(frame, now_ns)
        elif self.is_open:
            yield from self._take_surely(frame, now_ns)
        else:
            self.counts.rx_dropped += 1

    def _take_ack(self, frame: Frame, now_ns: int) -> Iterator[Happening]:
        try:
            packet = read_packet(Type.ACK, frame.payload)
        except Malformed:
            self.counts.rx_dropped += 1
            yield Damage("payload")
            return
        assert isinstance(packet, p.Ack)
        if self.is_open and frame.flags & WHOLE == WHOLE:
            yield from self._sender.acknowledged(frame.seq, packet.status)
            yield from self._sender.tick(now_ns)
            yield Arrived(packet, now_ns)

    def _take_once(self, frame: Frame, now_ns: int) -> Iterator[Happening]:
        is_hello = frame.type == Type.HELLO
        if not self._is_next(frame) and not is_hello:
            self.counts.rx_repeats += 1
            return
        if not self.is_open and not is_hello:
            self._once.forget()
            self.counts.rx_dropped += 1
            return
        try:
            payload = self._once.push(frame)
        except OutOfTurn:
            self.counts.rx_dropped += 1
            return
        if payload is None:
            return
        try:
            packet = read_packet(frame.type, payload)
            self._check_side(packet)
        except (Malformed, KeyError):
            self.counts.rx_dropped += 1
            yield Damage("payload")
            return
        if isinstance(packet, p.Hello):
            yield from self._greet(packet, frame.seq, now_ns)
        else:
            yield Arrived(packet, now_ns)

    def _is_next(self, frame: Frame) -> bool:
        """Follows the row's numbers; says whether this is a frame that has not come before."""
        last = self._last_unreliable
        if last is not None:
            if (last - frame.seq) % 2**16 < _OLD_NUMBERS:
                return False
            missing = (frame.seq - last - 1) % 2**16 if self.is_open else 0
            if frame.type == Type.HELLO:
                self._doubtful += missing
            else:
                self.counts.rx_lost += missing
        self._last_unreliable = frame.seq
        return True

    def _take_surely(self, frame: Frame, now_ns: int) -> Iterator[Happening]:
        ahead = None if self._last_reliable is None else (frame.seq - self._last_reliable) % 2**16
        if ahead is not None and not 1 <= ahead <= 32767:
            self.counts.rx_repeats += 1
            self._acknowledge(frame.seq, self._last_status)
            return
        status, packet = self._judged(frame)
        if status is not Status.BUSY:
            self._last_reliable, self._last_status = frame.seq, status
        self._acknowledge(frame.seq, status)
        if packet is not None and status is Status.OK:
            yield Arrived(packet, now_ns)
        elif status is not Status.OK:
            self.counts.rx_dropped += 1

    def _judged(self, frame: Frame) -> tuple[Status, p.Packet | None]:
        if frame.type not in _TAKES[self._side] and frame.type < 128:
            return Status.UNKNOWN, None
        try:
            payload = self._surely.push(frame)
            if payload is None:
                return Status.OK, None
            packet = read_packet(frame.type, payload)
            self._check_side(packet)
        except OutOfTurn as error:
            return error.status, None
        except Malformed:
            return Status.REFUSED, None
        status = self._judge(packet)
        if status is Status.BUSY:
            self._surely.take_back(frame, payload)
        return status, packet

    def _check_side(self, packet: p.Packet) -> None:
        """Raises `KeyError` for what this side never gets."""
        if isinstance(packet, p.TimeQuestion | p.TimeAnswer):
            is_ours = isinstance(packet, _TIME_FROM[self._side])
        elif isinstance(packet, p.Hello):
            is_ours = (packet.device is not None) == (self._side == "host")
            is_ours = is_ours and packet.session.nonce != self._nonce
        else:
            is_ours = isinstance(packet, p.Application) or type_of(packet) in _TAKES[self._side]
        if not is_ours:
            raise KeyError(type(packet))

    def _greet(self, hello: p.Hello, number: int, now_ns: int) -> Iterator[Happening]:
        self._hellos.append(now_ns)
        if self.peer is None or self.peer.session.nonce != hello.session.nonce:
            self._has_news = True
            yield from self._close("the other end has started anew")
            yield from self._sender.give_up()
            self._last_reliable, self._last_unreliable = None, number
            self._once.forget()
            self._surely.forget()
            self._doubtful = 0
        self.counts.rx_lost += self._doubtful
        self._doubtful = 0
        self.peer = hello
        was_open = self.is_open
        if hello.session.heard != self._nonce:
            yield from self._close("the other end has lost the session")
        else:
            self.is_open = True
        if not hello.session.is_open:
            self._send_hello(now_ns)
        if self.is_open and not was_open:
            self.counts.sessions += 1
            self._beat_due_ns = now_ns
            is_new, self._has_news = self._has_news, False
            yield Opened(hello, is_new)
        elif self.is_open:
            yield Introduced(hello)

    def _close(self, reason: str) -> Iterator[Happening]:
        if not self.is_open:
            return
        self.is_open = False
        self._hello_due_ns = None
        yield from self._sender.give_up()
        yield Closed(reason)

    def _acknowledge(self, number: int, status: Status) -> None:
        self._send_frame(Frame(Type.ACK, WHOLE, number, encode(int(status))))

    def _send_hello(self, now_ns: int) -> None:
        max_frame, max_message = self._limits
        heard = 0 if self.peer is None else self.peer.session.nonce
        session = p.Session(self._nonce, heard, self.is_open, max_frame, max_message)
        payload = payload_of(p.Hello(session, self._introduce(now_ns)))
        if self.peer is not None:
            room = self._room
        else:
            room = _FIRST_ROOM if self._side == "host" else LONGEST_FRAME - OVERHEAD
        self._out += b"\0"
        self._send_once(Type.HELLO, payload, room)

    def _send_once(self, kind: int, payload: bytes, room: int) -> None:
        for flags, piece in cut(payload, room):
            self._send_frame(Frame(kind, flags, self._number, piece))
            self._number = (self._number + 1) & 0xFFFF

    def _send_frame(self, frame: Frame) -> None:
        self.counts.tx_frames += 1
        self._out += encode_frame(frame)
