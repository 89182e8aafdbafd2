"""What time it is here when a device's clock says so: offset and drift from timed round trips."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

_MOST_KEPT = 32
_LEAST_SPAN_NS = 60_000_000_000
_FASTEST_DRIFT = 500e-6
_STEP_NS = 2_000_000
_BELIEVED_AFTER = 3


@dataclass(frozen=True)
class Exchange:
    """A question for the time and its answer, in nanoseconds.

    Attributes:
        sent_ns: when the question left, by this side's monotonic clock.
        device_in_ns: when the device had it, by its own.
        device_out_ns: when the device answered, by its own.
        received_ns: when the answer was here.
        question_ns: for how long the question is on a line of the baud rate told.
        answer_ns: for how long the answer is.
    """

    sent_ns: int
    device_in_ns: int
    device_out_ns: int
    received_ns: int
    question_ns: int = 0
    answer_ns: int = 0

    @property
    def rtt_ns(self) -> int:
        """How long it was on the way, the line's time and both ways together."""
        return (self.received_ns - self.sent_ns) - (self.device_out_ns - self.device_in_ns)

    @property
    def line_ns(self) -> int:
        """How much of that a line of the baud rate told takes."""
        return self.question_ns + self.answer_ns

    @property
    def device_ns(self) -> float:
        """The device's clock in the middle of the exchange."""
        return (self.device_in_ns + self.device_out_ns) / 2

    def offset_ns(self, *, has_line: bool) -> float:
        """What to add to the device's clock to get ours; wrong by half the round trip at most."""
        lopsided = (self.question_ns - self.answer_ns) / 2 if has_line else 0.0
        return (self.sent_ns + self.received_ns) / 2 - self.device_ns + lopsided


class ClockSync:
    """Our time for a device's, by the quicker half of the last 32 exchanges.

    Until they span a minute the quickest of them alone is used, then a line through the half that
    was quickest; its slope is the drift. An exchange that took longer than others waited somewhere
    on the way, and may be wrong by half of what it waited (NTP's clock filter, RFC 5905). A clock
    that jumped is believed after three exchanges that agree, and what was known before is
    forgotten; one that runs away at an even pace, as no crystal does, is followed at once.
    Where exchanges are quicker than the baud rate would let them be, as over USB or a
    pseudo-terminal, the time that the line takes is not reckoned with.
    """

    def __init__(self) -> None:
        self._kept: deque[Exchange] = deque(maxlen=_MOST_KEPT)
        self._strange: list[Exchange] = []
        self._at_device_ns = 0.0
        self._offset_ns = 0.0
        self._slope = 0.0
        self._has_line = True
        self._runs_fast = False
        self.is_steady = True
        """Whether the drift is one that a crystal can have."""

    @property
    def is_known(self) -> bool:
        """Whether there has been an exchange."""
        return bool(self._kept)

    @property
    def offset_us(self) -> float | None:
        """What to add to the device's clock at the last exchange, in microseconds."""
        return self._offset_at(self._kept[-1].device_ns) / 1000 if self._kept else None

    @property
    def drift_ppm(self) -> float | None:
        """By how many millionths our clock is faster than the device's; `None` until known."""
        return self._slope * 1e6 if self._span_ns(self._kept) >= _LEAST_SPAN_NS else None

    @property
    def rtt_us(self) -> float | None:
        """The quickest round trip of those kept, less the line's time, in microseconds."""
        return min(map(self._wait_ns, self._kept)) / 1000 if self._kept else None

    def host_ns(self, device_ns: float) -> int | None:
        """Our monotonic clock when the device's said that; `None` before the first exchange."""
        return round(device_ns + self._offset_at(device_ns)) if self._kept else None

    def add(self, exchange: Exchange) -> None:
        """Learns from an exchange; one that cannot be, since it took less than no time, is not."""
        if exchange.rtt_ns < 0 or exchange.device_out_ns < exchange.device_in_ns:
            return
        if self._kept and self._is_strange(exchange):
            self._strange.append(exchange)
            if len(self._strange) < _BELIEVED_AFTER:
                return
            self._runs_fast = self._is_line([self._kept[-1], *self._strange])
            if not self._runs_fast:
                self._kept.clear()
            self._kept.extend(self._strange)
        else:
            self._kept.append(exchange)
        self._strange.clear()
        self._fit()

    def forget(self) -> None:
        """The device has started anew, and its clock with it."""
        self._kept.clear()
        self._strange.clear()
        self._slope = 0.0
        self._runs_fast = False
        self.is_steady = True

    def _offset_at(self, device_ns: float) -> float:
        return self._offset_ns + self._slope * (device_ns - self._at_device_ns)

    def _wait_ns(self, exchange: Exchange) -> int:
        return exchange.rtt_ns - (exchange.line_ns if self._has_line else 0)

    def _is_strange(self, exchange: Exchange) -> bool:
        found = exchange.offset_ns(has_line=self._has_line)
        age_ns = abs(exchange.device_ns - self._kept[-1].device_ns)
        room_ns = exchange.rtt_ns / 2 + _STEP_NS + _FASTEST_DRIFT * age_ns
        return abs(found - self._offset_at(exchange.device_ns)) > room_ns

    def _is_line(self, exchanges: Sequence[Exchange]) -> bool:
        """Whether offsets change at one and the same pace: a fast clock, not one that jumped."""
        offsets = [one.offset_ns(has_line=self._has_line) for one in exchanges]
        paces = [
            (offset - before) / max(1.0, one.device_ns - last.device_ns)
            for offset, before, one, last in zip(
                offsets[1:], offsets, exchanges[1:], exchanges, strict=False
            )
        ]
        return max(paces) - min(paces) < _FASTEST_DRIFT

    @staticmethod
    def _span_ns(exchanges: Sequence[Exchange]) -> float:
        return exchanges[-1].device_ns - exchanges[0].device_ns if exchanges else 0.0

    def _fit(self) -> None:
        kept = list(self._kept)
        self._has_line = all(one.rtt_ns >= one.line_ns for one in kept)
        self._fit_to(kept)
        self.is_steady = abs(self._slope) <= _FASTEST_DRIFT
        if not self.is_steady:
            self._fit_to(kept[len(kept) // 2 :])

    def _fit_to(self, exchanges: Sequence[Exchange]) -> None:
        quick = sorted(exchanges, key=self._wait_ns)[: (len(exchanges) + 1) // 2]
        if self._span_ns(self._kept) < _LEAST_SPAN_NS and not self._runs_fast:
            quick = quick[:1]
        start = quick[0].device_ns
        first = quick[0].offset_ns(has_line=self._has_line)
        times = [one.device_ns - start for one in quick]
        offsets = [one.offset_ns(has_line=self._has_line) - first for one in quick]
        middle, mean = sum(times) / len(quick), sum(offsets) / len(quick)
        spread = sum((time - middle) ** 2 for time in times)
        across = sum(
            (time - middle) * (offset - mean) for time, offset in zip(times, offsets, strict=True)
        )
        self._slope = across / spread if spread else 0.0
        self._at_device_ns, self._offset_ns = start + middle, first + mean


class DeviceClock:
    """The whole of a device's clock, of which most packets carry the low 32 bits."""

    def __init__(self) -> None:
        self._newest_us: int | None = None

    def hear(self, whole_us: int) -> None:
        """A packet told the whole clock."""
        self._newest_us = whole_us

    def whole_us(self, low_us: int) -> int:
        """The 64-bit time nearest to the newest one heard that has these low 32 bits."""
        newest = self._newest_us or 0
        ahead = (low_us - newest + 2**31) % 2**32 - 2**31
        return max(newest + ahead, low_us)
