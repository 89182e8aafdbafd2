"""What time it is here when a device's clock says so: offset and drift from timed round trips."""

from collections import deque
from dataclasses import dataclass

_PRIOR_DRIFT = 100e-6
_LEAST_ERROR_NS = 20_000.0
_MOST_KEPT = 64
_HORIZON_NS = 900_000_000_000
_STEP_NS = 5_000_000
_FASTEST_DRIFT = 500e-6
_BELIEVED_AFTER = 3


@dataclass(frozen=True)
class Exchange:
    """A question for the time and its answer, in nanoseconds.

    Attributes:
        sent_ns: when the question left, by this side's monotonic clock.
        device_in_ns: when the device had it, by its own.
        device_out_ns: when the device answered, by its own.
        received_ns: when the answer was here.
    """

    sent_ns: int
    device_in_ns: int
    device_out_ns: int
    received_ns: int

    @property
    def rtt_ns(self) -> int:
        """How long it travelled, both ways together."""
        return max(0, (self.received_ns - self.sent_ns) - (self.device_out_ns - self.device_in_ns))

    @property
    def device_ns(self) -> float:
        """The device's clock in the middle of the exchange."""
        return (self.device_in_ns + self.device_out_ns) / 2

    @property
    def offset_ns(self) -> float:
        """What to add to the device's clock to get ours; wrong by half the round trip at most."""
        return (self.sent_ns + self.received_ns) / 2 - self.device_ns


class ClockSync:
    """Fits a line through the offsets of the exchanges of the last quarter of an hour.

    The quickest exchanges count most: one that took longer than the quickest waited somewhere on
    the way, and may be wrong by half of what it waited (NTP's clock filter, RFC 5905, as weights).
    The slope is the drift; that crystals are good to about 100 ppm is known beforehand, so that a
    few exchanges close together cannot make up a drift. A clock that jumped is believed after
    three exchanges that agree, and what was known before is forgotten.
    """

    def __init__(self) -> None:
        self._kept: deque[Exchange] = deque(maxlen=_MOST_KEPT)
        self._strange: list[Exchange] = []
        self._at_device_ns = 0.0
        self._offset_ns = 0.0
        self._slope = 0.0

    @property
    def is_known(self) -> bool:
        """Whether there has been an exchange."""
        return bool(self._kept)

    @property
    def offset_us(self) -> float | None:
        """What to add to the device's clock now, in microseconds."""
        return self._offset_at(self._kept[-1].device_ns) / 1000 if self._kept else None

    @property
    def drift_ppm(self) -> float | None:
        """By how many millionths our clock is faster than the device's."""
        return self._slope * 1e6 if self._kept else None

    @property
    def rtt_us(self) -> float | None:
        """The quickest round trip of late, in microseconds."""
        return min(one.rtt_ns for one in self._kept) / 1000 if self._kept else None

    def host_ns(self, device_ns: float) -> int | None:
        """Our monotonic clock when the device's said that; `None` before the first exchange."""
        return round(device_ns + self._offset_at(device_ns)) if self._kept else None

    def add(self, exchange: Exchange) -> None:
        """Learns from an exchange."""
        if self._kept and self._is_strange(exchange):
            self._strange.append(exchange)
            if len(self._strange) < _BELIEVED_AFTER:
                return
            self._kept.clear()
            self._kept.extend(self._strange)
        else:
            self._kept.append(exchange)
        self._strange.clear()
        while exchange.received_ns - self._kept[0].received_ns > _HORIZON_NS:
            self._kept.popleft()
        self._fit()

    def forget(self) -> None:
        """The device has started anew, and its clock with it."""
        self._kept.clear()
        self._strange.clear()

    def _offset_at(self, device_ns: float) -> float:
        return self._offset_ns + self._slope * (device_ns - self._at_device_ns)

    def _is_strange(self, exchange: Exchange) -> bool:
        error_ns = abs(exchange.offset_ns - self._offset_at(exchange.device_ns))
        age_ns = abs(exchange.device_ns - self._kept[-1].device_ns)
        return error_ns > exchange.rtt_ns / 2 + _STEP_NS + _FASTEST_DRIFT * age_ns

    def _fit(self) -> None:
        """Weighted least squares of offset on device time, with the prior on the slope."""
        quickest = min(one.rtt_ns for one in self._kept)
        base, start = self._kept[-1].offset_ns, self._kept[-1].device_ns
        weights = [(_LEAST_ERROR_NS + (one.rtt_ns - quickest) / 2) ** -2 for one in self._kept]
        whole = sum(weights)
        times = [one.device_ns - start for one in self._kept]
        offsets = [one.offset_ns - base for one in self._kept]
        middle = sum(w * t for w, t in zip(weights, times, strict=True)) / whole
        mean = sum(w * o for w, o in zip(weights, offsets, strict=True)) / whole
        across = sum(
            w * (t - middle) * (o - mean) for w, t, o in zip(weights, times, offsets, strict=True)
        )
        spread = sum(w * (t - middle) ** 2 for w, t in zip(weights, times, strict=True))
        self._slope = across / (spread + _PRIOR_DRIFT**-2)
        self._at_device_ns = start + middle
        self._offset_ns = base + mean
