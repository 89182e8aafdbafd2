"""The board's end of a link: what a device says, in this board's own time. No I/O."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.bridge import packets as p
from edgekit.bridge.cbor import Malformed
from edgekit.bridge.clock import ClockSync, DeviceClock, Exchange
from edgekit.bridge.counts import LinkCounts
from edgekit.bridge.happenings import Arrived, Closed, Happening, Introduced, Opened
from edgekit.bridge.link import Link
from edgekit.bridge.reading import is_finite, read_batch
from edgekit.bridge.writing import payload_of

_ASK_FIRST_NS = 250_000_000
_ASK_FIRST = 4
_ASK_LATER_NS = 10_000_000_000
_FARTHEST_NS = 7_200_000_000_000
_AROUND_PAYLOAD = 11
"""Bytes of a short frame that are not payload: header, checksum, COBS and delimiter."""


@dataclass(frozen=True)
class Samples:
    """Samples of one sensor.

    Attributes:
        number: the sensor's.
        sensor: what it is.
        taken_ns: int64 `[instants]`: when each was taken, by this board's monotonic clock.
        values: float64 `[instants, channels]`, in the sensor's unit, all finite.
    """

    number: int
    sensor: p.Sensor
    taken_ns: Array
    values: Array


@dataclass(frozen=True)
class Scored:
    """What a model on the device said.

    Attributes:
        model: which.
        scores: what it said, all finite.
        taken_ns: when the newest sample it saw was taken, by this board's monotonic clock.
        device: where it runs.
    """

    model: p.Model
    scores: p.Scores
    taken_ns: int
    device: p.Device


@dataclass(frozen=True)
class Misfit:
    """A packet that is of no use, and why."""

    reason: str


@dataclass(frozen=True)
class Drifting:
    """The device's clock runs as no crystal does."""

    ppm: float


HostHappening = Happening | Samples | Scored | Misfit | Drifting


class Host:
    """Speaks to one device, and keeps its clock in step with this board's.

    Pure but for the clock that dates questions for the time, since those go out by that very
    moment. As `Link`: `feed` and `tick` are followed to their ends, then `take` is written.

    Attributes:
        link: the session.
        clock: the device's clock, seen from here.
        device: what it said of itself, while there is a session.
        beat: its newest HEARTBEAT, and when that came.
    """

    def __init__(
        self,
        *,
        nonce: int,
        baud: int | None = None,
        counts: LinkCounts | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        time_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Prepares.

        Args:
            nonce: another one at each start, not 0.
            baud: of the line, where it has one.
            counts: to go on from.
            clock_ns: the monotonic clock.
            time_ns: the time since 1970.
        """
        self.link = Link("host", nonce=nonce, baud=baud, counts=counts)
        self.clock = ClockSync()
        self.device: p.Device | None = None
        self.beat: tuple[p.Heartbeat, int] | None = None
        self._byte_ns = 0 if baud is None else round(10e9 / baud)
        self._clock_ns = clock_ns
        self._time_ns = time_ns
        self._whole = DeviceClock()
        self._rough_ns = 0
        self._asked: dict[int, tuple[int, int]] = {}
        self._questions = 0
        self._ask_due_ns: int | None = None
        self._was_steady = True

    def feed(self, data: bytes, now_ns: int) -> Iterator[HostHappening]:
        """What bytes bring that came just now."""
        for happening in self.link.feed(data, now_ns):
            yield from self._translate(happening, now_ns)

    def tick(self, now_ns: int) -> Iterator[HostHappening]:
        """Does what is due; at `due_ns` it has to be called, before it may be."""
        for happening in self.link.tick(now_ns):
            yield from self._translate(happening, now_ns)
        if self._ask_due_ns is not None and now_ns >= self._ask_due_ns and not self.link.has_output:
            self._ask()

    @property
    def due_ns(self) -> int:
        """When `tick` has to be called next."""
        due = self.link.due_ns
        return due if self._ask_due_ns is None else min(due, self._ask_due_ns)

    def _translate(self, happening: Happening, now_ns: int) -> Iterator[HostHappening]:
        match happening:
            case Opened(hello, is_new):
                if is_new:
                    self.clock.forget()
                    self._asked.clear()
                self._meet(hello, now_ns)
                self._questions, self._ask_due_ns = 0, now_ns
                yield happening
            case Introduced(hello):
                self._meet(hello, now_ns)
                yield happening
            case Closed():
                self.device = self._ask_due_ns = None
                yield happening
            case Arrived(packet):
                yield from self._hear(packet, now_ns)
                yield happening
            case _:
                yield happening

    def _meet(self, hello: p.Hello, now_ns: int) -> None:
        assert hello.device is not None, "the link takes only a device's HELLO"
        self.device = hello.device
        self._hear_clock(hello.device.clock_us, now_ns)

    def _hear_clock(self, clock_us: int, now_ns: int) -> None:
        self._whole.hear(clock_us)
        self._rough_ns = now_ns - clock_us * 1000

    def _hear(self, packet: p.Packet, now_ns: int) -> Iterator[HostHappening]:
        device = self.device
        if device is None:
            return
        match packet:
            case p.Heartbeat():
                self._hear_clock(packet.clock_us, now_ns)
                self.beat = (packet, now_ns)
            case p.TimeAnswer():
                yield from self._hear_answer(packet, now_ns)
            case p.Data():
                yield self._samples(packet, device, now_ns)
            case p.Scores():
                yield self._scored(packet, device, now_ns)

    def _samples(self, data: p.Data, device: p.Device, now_ns: int) -> Samples | Misfit:
        try:
            batch = read_batch(data, device)
        except Malformed as error:
            self.link.counts.rx_dropped += 1
            return Misfit(str(error))
        sensor = device.sensors[batch.sensor]
        if not np.isfinite(batch.values).all():
            return Misfit(f"{sensor.name}: its scale or offset makes numbers that are not finite")
        first_ns = self._whole.whole_us(data.time_us) * 1000
        last_ns = first_ns + batch.after_ns[-1].item()
        begin, end = self._host_ns(first_ns), self._host_ns(last_ns)
        if max(abs(begin - now_ns), abs(end - now_ns)) > _FARTHEST_NS:
            return Misfit(f"{sensor.name}: samples of another time than now")
        stretch = 1.0 if last_ns == first_ns else (end - begin) / (last_ns - first_ns)
        taken_ns = begin + np.rint(batch.after_ns * stretch).astype(np.int64)
        return Samples(batch.sensor, sensor, taken_ns, batch.values)

    def _scored(self, scores: p.Scores, device: p.Device, now_ns: int) -> Scored | Misfit:
        if scores.model >= len(device.models):
            self.link.counts.rx_dropped += 1
            return Misfit(f"a prediction of model {scores.model}, which is not there")
        if not is_finite(scores):
            return Misfit(f"{device.models[scores.model].name}: a score that is not finite")
        taken_ns = self._host_ns(self._whole.whole_us(scores.time_us) * 1000)
        if abs(taken_ns - now_ns) > _FARTHEST_NS:
            return Misfit(f"{device.models[scores.model].name}: a score of another time than now")
        return Scored(device.models[scores.model], scores, taken_ns, device)

    def _host_ns(self, device_ns: int) -> int:
        """By exchanges of the time, or until the first by what the device said unasked."""
        known = self.clock.host_ns(device_ns)
        return device_ns + self._rough_ns if known is None else known

    def _ask(self) -> None:
        now_ns = self._clock_ns()
        t1_us = self._time_ns() // 1000
        offset = self.clock.host_ns(0)
        known = None if offset is None else offset // 1000 + t1_us - now_ns // 1000
        question = p.TimeQuestion(t1_us, known)
        self._asked[t1_us] = (now_ns, self._line_ns(question))
        while len(self._asked) > _ASK_FIRST:
            del self._asked[next(iter(self._asked))]
        self.link.send(question)
        self._questions += 1
        wait_ns = _ASK_FIRST_NS if self._questions < _ASK_FIRST else _ASK_LATER_NS
        self._ask_due_ns = now_ns + wait_ns

    def _line_ns(self, packet: p.Packet) -> int:
        return (len(payload_of(packet)) + _AROUND_PAYLOAD) * self._byte_ns

    def _hear_answer(self, answer: p.TimeAnswer, now_ns: int) -> Iterator[Drifting]:
        asked = self._asked.pop(answer.t1_us, None)
        if asked is None:
            return
        sent_ns, question_ns = asked
        self._whole.hear(answer.t3_us)
        self.clock.add(
            Exchange(
                sent_ns,
                answer.t2_us * 1000,
                answer.t3_us * 1000,
                now_ns,
                question_ns,
                self._line_ns(answer),
            )
        )
        if self._was_steady and not self.clock.is_steady:
            yield Drifting(self.clock.drift_ppm or 0.0)
        self._was_steady = self.clock.is_steady
