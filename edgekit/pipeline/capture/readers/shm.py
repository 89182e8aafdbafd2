"""Reads the pictures that another program writes into shared memory."""

import time
from collections.abc import Callable, Iterator
from typing import Literal

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.pipeline.capture.clocks import driver_time
from edgekit.pipeline.capture.readers.reader import Frame
from edgekit.pipeline.capture.settings import ShmSettings
from edgekit.pipeline.capture.shm import Header, ShmFile

_SOONEST_S, _LATEST_S = 0.002, 0.05
_LOOK_S = 0.5
"""How often a silent file's name is looked at: its writer may have begun a new one."""


class ShmReader:
    """The newest picture of a file, whenever there is a new one."""

    is_live = True
    is_one_stream = True

    def __init__(
        self,
        settings: ShmSettings,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._clock_ns = clock_ns
        self._sleep = sleep

    def frames(self, opened: Callable[[str], None]) -> Iterator[Frame | None]:
        """Each picture.

        Raises:
            InputError: the file is not there, or is none.
        """
        file = ShmFile(self._settings.path)
        try:
            header = file.header()
            opened(f"{header.width} x {header.height}")
            yield from self._new_ones(file)
        finally:
            file.close()

    def _new_ones(self, file: ShmFile) -> Iterator[Frame | None]:
        last, pause_s = Header(0, 0, "RGB", 0, -1), _SOONEST_S
        looked_ns = self._clock_ns()
        while True:
            header = file.header()
            if header.sequence % 2 == 0 and header.sequence not in (0, last.sequence):
                picture = file.picture(header)
                if picture is None:  # written over meanwhile: there is a newer one
                    yield None
                    continue
                yield self._frame(picture, header, last)
                last, pause_s, looked_ns = header, _SOONEST_S, self._clock_ns()
                continue
            if self._clock_ns() - looked_ns > _LOOK_S * 1e9:
                if not file.is_current():
                    raise InputError("its writer took it away, or began a new one")
                looked_ns, pause_s = self._clock_ns(), _LATEST_S
            self._sleep(pause_s)
            yield None

    def _frame(self, picture: Array, header: Header, last: Header) -> Frame:
        arrived_ns = self._clock_ns()
        taken_ns = driver_time(
            header.taken_at_ns, before_ns=last.taken_at_ns, arrived_ns=arrived_ns
        )
        missed = (header.sequence - last.sequence) // 2 - 1 if last.sequence else 0
        channels: Literal["RGB", "BGR"] = header.channels
        return Frame(
            lambda: picture, f"shm#{header.sequence // 2}", taken_ns, channels, max(0, missed)
        )
