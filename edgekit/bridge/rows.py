"""Makes rows of what several sensors of one device measure. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.bridge.host import Samples
from edgekit.bridge.packets import Device, Sensor
from edgekit.errors import Unavailable

_MOST_PENDING = 20_000
_OLD_PERIODS = 2.5


@dataclass(frozen=True)
class Rows:
    """Rows, in order.

    Attributes:
        taken_ns: int64 `[rows]`, by this board's monotonic clock.
        values: float64 `[rows, columns]`.
        is_after_gap: whether rows before the first of these are missing.
    """

    taken_ns: Array
    values: Array
    is_after_gap: bool = False


@dataclass(frozen=True)
class Channel:
    """Where a column comes from: a sensor, by its number, and which of its channels."""

    sensor: int
    channel: int


def find_channel(column: str, sensors: Sequence[Sensor]) -> Channel | None:
    """The channel that a column's name stands for.

    Args:
        column: a sensor's name where that has one channel, else with a dot and a number from 0.
        sensors: the device's.
    """
    named, _, number = column.rpartition(".")
    for place, sensor in enumerate(sensors):
        if sensor.name == column and sensor.channels == 1:
            return Channel(place, 0)
        if sensor.name == named and number.isdecimal() and int(number) < sensor.channels:
            return Channel(place, int(number))
    return None


class RowMaker:
    """Joins samples of several sensors into rows.

    The sensor that is read most often sets the pace: each of its samples makes a row, and of the
    others it takes the newest sample that is not newer, within half a period. A row waits until no
    such sample can come any more. Where another sensor has said nothing for two and a half of its
    periods there is no row, but a gap; one without a period holds its value until it says another.
    """

    def __init__(self, columns: Sequence[str], device: Device) -> None:
        """Finds the columns.

        Args:
            columns: see `find_channel`.
            device: whose samples will come.

        Raises:
            Unavailable: the device has no such sensor or channel.
        """
        self._columns = columns
        self._channels: list[Channel] = []
        for column in columns:
            channel = find_channel(column, device.sensors)
            if channel is None:
                there = ", ".join(
                    one.name if one.channels == 1 else f"{one.name}.0 to .{one.channels - 1}"
                    for one in device.sensors
                )
                raise Unavailable(f"{device.name} has no {column!r}; it has {there or 'nothing'}")
            self._channels.append(channel)
        self._numbers = sorted({channel.sensor for channel in self._channels})
        self._sensors: dict[int, Sensor] = {
            number: device.sensors[number] for number in self._numbers
        }
        self._times: dict[int, Array] = {}
        self._values: dict[int, Array] = {}
        self._has_begun = False
        self._has_gap = False
        self.reset()

    @property
    def sensors(self) -> Mapping[int, Sensor]:
        """Those that it takes samples of, by their numbers."""
        return self._sensors

    def follow(self, device: Device) -> bool:
        """Takes over tables that changed; says whether all columns are still where they were."""
        if [find_channel(column, device.sensors) for column in self._columns] != self._channels:
            return False
        there = {number: device.sensors[number] for number in self._numbers}
        if any(there[number].channels != self._sensors[number].channels for number in there):
            return False
        self._sensors = there
        return True

    def reset(self) -> None:
        """Forgets samples that wait for others: there is a gap."""
        for number in self._numbers:
            self._times[number] = np.empty(0, np.int64)
            self._values[number] = np.empty((0, self._sensors[number].channels))

    def push(self, samples: Samples) -> Rows | None:
        """Takes samples; gives the rows that they complete."""
        number = samples.number
        if number not in self._sensors:
            return None
        self._sensors[number] = samples.sensor
        if len(self._numbers) == 1:
            picked = samples.values[:, [channel.channel for channel in self._channels]]
            return Rows(samples.taken_ns, picked)
        self._times[number] = np.concatenate([self._times[number], samples.taken_ns])
        self._values[number] = np.concatenate([self._values[number], samples.values])
        rows = self._join()
        self._bound()
        return rows

    @property
    def _lead(self) -> int:
        """The sensor that sets the pace: of those with a period the quickest."""
        return min(
            self._numbers, key=lambda number: (self._sensors[number].period_ns or 2**62, number)
        )

    def _join(self) -> Rows | None:
        lead = self._lead
        half = self._sensors[lead].period_ns // 2
        others = [number for number in self._numbers if number != lead]
        if any(not len(self._times[number]) for number in others):
            return None
        times = self._times[lead]
        until = min(self._known_until(number) for number in others)
        ready = int(np.searchsorted(times, until, side="left"))
        if not ready:
            return None
        places = {lead: np.arange(ready)}
        is_good = np.ones(ready, bool)
        for number in others:
            places[number] = np.searchsorted(self._times[number], times[:ready] + half, "right") - 1
            found = np.maximum(places[number], 0)
            is_good &= places[number] >= 0
            period = self._sensors[number].period_ns
            if period:
                age = times[:ready] - self._times[number][found]
                is_good &= age <= _OLD_PERIODS * period
        values = np.stack(
            [
                self._values[one.sensor][np.maximum(places[one.sensor], 0), one.channel]
                for one in self._channels
            ],
            axis=1,
        )
        self._forget(lead, ready)
        for number in others:
            self._forget(number, max(0, int(places[number][-1])))
        return self._told(times[:ready], values, is_good)

    def _told(self, times: Array, values: Array, is_good: Array) -> Rows | None:
        """The good ones after the last that is missing: rows around a gap are for nothing."""
        bad = np.flatnonzero(~is_good)
        start = int(bad[-1]) + 1 if len(bad) else 0
        self._has_gap |= bool(len(bad)) and self._has_begun
        if start == len(times):
            return None
        has_gap, self._has_gap = self._has_gap, False
        self._has_begun = True
        return Rows(times[start:], values[start:], has_gap)

    def _known_until(self, number: int) -> int:
        """Until when no sample of a sensor can come any more."""
        period = self._sensors[number].period_ns
        if not period:
            return 2**62
        return int(self._times[number][-1]) + period

    def _forget(self, number: int, count: int) -> None:
        self._times[number] = self._times[number][count:]
        self._values[number] = self._values[number][count:]

    def _bound(self) -> None:
        """Lets samples go whose fellows do not come."""
        for number in self._numbers:
            excess = len(self._times[number]) - _MOST_PENDING
            if excess > 0:
                self._forget(number, excess)
                self._has_gap |= self._has_begun
