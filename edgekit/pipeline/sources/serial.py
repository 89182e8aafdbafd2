"""Gives rows of what a microcontroller measures, at the times at which it did."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from edgekit.bridge.happenings import Introduced, Opened
from edgekit.bridge.host import Samples
from edgekit.bridge.listening import Gone, Heard
from edgekit.bridge.packets import Device
from edgekit.bridge.port import Port
from edgekit.bridge.rows import RowMaker, Rows
from edgekit.errors import Unavailable
from edgekit.pipeline.parts import Refusal, Sample

_NS_A_MS = 1_000_000
_NS = 1_000_000_000
_WOBBLE_MS = 100


class SerialSource:
    """Rows of a device's sensors; several sources may share its port.

    The port's thread only notes what came. At most `capacity` rows' worth of samples wait for the
    work, or the newest batch where that alone is longer; beyond that the oldest are dropped, and
    counted by the port. Whatever is missing is a gap.
    A port that fails breaks the source; entering it again needs the device to be back.
    """

    def __init__(
        self,
        port: Port,
        *,
        columns: tuple[str, ...],
        rate_hz: float | None = None,
        capacity: int = 10_000,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        time_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Prepares the source; entering opens the port, where nobody has yet.

        Args:
            port: where the device is.
            columns: a sensor's name each, with a dot and a channel's number where it has several.
            rate_hz: samples a second that the device is asked for; by default it decides.
            capacity: how many rows' worth may wait.
            clock_ns: the monotonic clock.
            time_ns: the time since 1970.
        """
        self._port = port
        self._columns = columns
        self._period_ns = None if rate_hz is None else round(_NS / rate_hz)
        self._capacity = capacity
        self._clock_ns = clock_ns
        self._time_ns = time_ns
        self._use = ExitStack()
        self._maker: RowMaker | None = None
        self._name = port.name
        self._count = 0
        self._last_ms = 0
        self._changed = threading.Condition()  # guards all that follows
        self._waiting: deque[Samples | Device | Gone] = deque()
        self._held = 0
        self._lost = 0
        self._stopped = False

    def __enter__(self) -> Self:
        with self._changed:
            self._stopped = False
            self._waiting.clear()
            self._held = self._lost = 0
        self._maker = None
        if self._period_ns is not None:
            names = {column.rpartition(".")[0] or column for column in self._columns}
            self._port.wish(self, dict.fromkeys({*names, *self._columns}, self._period_ns))
        with ExitStack() as opened:
            opened.callback(self._port.wish, self, {})
            opened.enter_context(self._port.using(self))
            self._use = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._use.close()

    def items(self) -> Iterator[Sample | Refusal]:
        """Each row float64 `[columns]`, or why some are missing, until `stop`.

        Raises:
            Unavailable: the port failed, or the device lacks a sensor.
        """
        while (found := self._take()) is not None:
            if isinstance(found, Refusal):
                self._forget_pending()
                yield found
            elif isinstance(found, Gone):
                if found.is_broken:
                    raise Unavailable(found.reason)
                self._forget_pending()
                yield Refusal(found.reason)
            elif isinstance(found, Device):
                yield from self._meet(found)
            elif self._maker is not None:
                rows = self._maker.push(found)
                if rows is not None:
                    yield from self._samples(rows)

    def stop(self) -> None:
        """Makes `items` end."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _take(self) -> Samples | Device | Gone | Refusal | None:
        with self._changed:
            while not self._stopped and not self._waiting:
                self._changed.wait()
            if self._stopped:
                return None
            if self._lost:
                lost, self._lost = self._lost, 0
                return Refusal(f"{self._name}: lost {lost} samples: the work is too slow for them")
            found = self._waiting.popleft()
            if isinstance(found, Samples):
                self._held -= len(found.values)
            return found

    def _meet(self, device: Device) -> Iterator[Refusal]:
        self._name = device.name
        if self._maker is not None:
            if self._maker.follow(device):
                return
            yield Refusal(f"{self._name}: its sensors have changed")
        self._maker = RowMaker(self._columns, device)

    def _forget_pending(self) -> None:
        if self._maker is not None:
            self._maker.reset()

    def _samples(self, rows: Rows) -> Iterator[Sample | Refusal]:
        if rows.is_after_gap:
            yield Refusal(f"{self._name}: a sensor was behind the others; rows are missing")
        ahead_ms = self._time_ns() // _NS_A_MS - self._clock_ns() // _NS_A_MS
        for taken_ns, values in zip(rows.taken_ns.tolist(), rows.values, strict=True):
            self._count += 1
            taken_ms = max(0, taken_ns // _NS_A_MS + ahead_ms)
            if 0 < self._last_ms - taken_ms < _WOBBLE_MS:
                taken_ms = self._last_ms  # the estimate of the device's clock was improved
            self._last_ms = taken_ms
            yield Sample(values.copy(), taken_ns, taken_ms, f"{self._name}:{self._count}")

    # What follows runs on the port's thread.

    def hear(self, happening: Heard) -> None:
        """Notes what came; called by the port."""
        with self._changed:
            match happening:
                case Samples():
                    self._note(happening)
                case Opened(hello) | Introduced(hello):
                    if hello.device is not None:
                        self._make_room()
                        self._waiting.append(hello.device)
                case Gone():
                    if self._waiting and isinstance(self._waiting[-1], Gone):
                        if self._waiting[-1].is_broken:
                            return
                        self._waiting.pop()  # one gap is as good as two
                    self._make_room()
                    self._waiting.append(happening)
                case _:
                    return
            self._changed.notify_all()

    def _make_room(self) -> None:
        """A device that comes and goes without end must not fill the queue."""
        if len(self._waiting) > self._capacity:
            oldest = self._waiting.popleft()
            if isinstance(oldest, Samples):
                self._held -= len(oldest.values)

    def _note(self, samples: Samples) -> None:
        self._waiting.append(samples)
        self._held += len(samples.values)
        while self._held > max(self._capacity, len(samples.values)):
            oldest = next(one for one in self._waiting if isinstance(one, Samples))
            self._waiting.remove(oldest)
            self._held -= len(oldest.values)
            self._lost += len(oldest.values)
            self._port.count_dropped(len(oldest.values))
