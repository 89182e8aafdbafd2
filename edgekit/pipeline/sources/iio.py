"""Polls the sensors of a Linux board, one sample a reading."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from edgekit.errors import Unavailable
from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.sources.schedule import Schedule
from edgekit.pipeline.sources.sysfs import Channel, ReadingFailed, find_channel, find_device

_MOST_FAILURES = 10


class IioSource:
    """Rows of a device's channels, `interval_s` apart, as iio or hwmon shows them.

    A reading that fails is a gap, and so is one that came too late; ten that fail in a row, or a
    device that is gone, break the source. Entering looks for the device anew: it may have come
    back under another number, and its scales may have changed.
    """

    def __init__(
        self,
        device: str,
        *,
        channels: tuple[str, ...],
        interval_s: float,
        root: Path = Path("/sys"),
        clock_ns: Callable[[], int] = time.monotonic_ns,
        time_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Prepares the source; entering finds the device.

        Args:
            device: its name, the name of its folder, or its path.
            channels: in the order of the columns; see `find_channel`.
            interval_s: seconds from one reading to the next.
            root: where sysfs is.
            clock_ns: the monotonic clock.
            time_ns: the time since 1970.
        """
        self._device = device
        self._names = channels
        self._interval_s = interval_s
        self._root = root
        self._clock_ns = clock_ns
        self._time_ns = time_ns
        self._channels: list[Channel] = []
        self._stopped = threading.Event()
        self._count = 0

    def __enter__(self) -> Self:
        self._stopped.clear()
        folder = find_device(self._device, root=self._root)
        self._channels = [find_channel(folder, name) for name in self._names]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def items(self) -> Iterator[Sample | Refusal]:
        """Each row float64 `[channels]` in the kernel's units, or why there is none.

        Raises:
            Unavailable: the device is gone, or gives no readings any more.
        """
        schedule = Schedule(self._interval_s, start_ns=self._clock_ns())
        failures = 0
        while not self._stopped.wait(max(0.0, (schedule.due_ns - self._clock_ns()) / 1e9)):
            item = self._read()
            failures = failures + 1 if isinstance(item, Refusal) else 0
            yield item
            if isinstance(item, Refusal) and failures == _MOST_FAILURES:
                raise Unavailable(f"{_MOST_FAILURES} readings failed, the last: {item.reason}")
            missed = schedule.advance(self._clock_ns())
            if missed:
                yield Refusal(
                    f"{self._device}: missed {missed} readings: the sensor or the work after it "
                    f"is slower than interval_s = {self._interval_s:g}"
                )

    def stop(self) -> None:
        """Makes `items` end."""
        self._stopped.set()

    def _read(self) -> Sample | Refusal:
        self._count += 1
        taken_at_ns, taken_at_ms = self._clock_ns(), self._time_ns() // 1_000_000
        try:
            values = np.array([channel.read() for channel in self._channels])
        except ReadingFailed as error:
            return Refusal(str(error))
        return Sample(values, taken_at_ns, taken_at_ms, f"{self._device}:{self._count}")
