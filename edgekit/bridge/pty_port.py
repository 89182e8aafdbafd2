"""Runs a simulated microcontroller on a pseudo-terminal, and pulls and puts back its plug."""

import os
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.bridge.pipe import DescriptorPipe
from edgekit.bridge.simulator import Simulator
from edgekit.errors import InputError, Unavailable

_LONGEST_WAIT_S = 0.05
_MOST_UNSENT_BYTES = 4096
_ANSWER_NS = 200_000_000
_NEVER = 2**63


class PtyPort:
    """Inside its `with` block a path behaves like a serial port with a device behind it.

    Attributes:
        path: a link to the pseudo-terminal; not there while the plug is pulled.
        simulator: the device.
    """

    def __init__(
        self,
        simulator: Simulator,
        path: Path,
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Prepares; entering plugs it in.

        Args:
            simulator: the device.
            path: where the port shall appear; a link that is there is replaced.
            clock_ns: the monotonic clock.
        """
        self.path = path
        self.simulator = simulator
        self._clock_ns = clock_ns
        self._pipe: DescriptorPipe | None = None
        self._device_end: int | None = None
        self._plugged = threading.Event()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)

    def __enter__(self) -> Self:
        self.plug()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._plugged.set()
        self._thread.join()
        self.unplug()

    def plug(self) -> None:
        """The port appears, as another pseudo-terminal than before.

        Raises:
            InputError: something that is no link is in its place.
        """
        with self._lock:
            if self._pipe is not None:
                return
            if self.path.exists() and not self.path.is_symlink():
                raise InputError(f"{self.path}: is there and is no link: give another path")
            ours, theirs = os.openpty()
            tty.setraw(theirs)
            self._pipe = DescriptorPipe(ours, "the simulator's end")
            self._device_end = theirs  # kept open: else reading fails while nobody listens
            self.path.unlink(missing_ok=True)
            self.path.symlink_to(os.ttyname(theirs))
            self._plugged.set()

    def unplug(self) -> None:
        """The port disappears, in the middle of whatever goes on."""
        with self._lock:
            if self._pipe is None or self._device_end is None:
                return
            self._plugged.clear()
            self.path.unlink(missing_ok=True)
            self._pipe.close()
            os.close(self._device_end)
            self._pipe = self._device_end = None

    def _run(self) -> None:
        data, pull_at_ns, plug_at_ns = b"", _NEVER, _NEVER
        while not self._stopped.is_set():
            now_ns = self._clock_ns()
            if now_ns >= plug_at_ns:
                plug_at_ns = _NEVER
                self.plug()
            if now_ns >= pull_at_ns:
                pull_at_ns = _NEVER
                self.unplug()
            if not self._plugged.wait(_LONGEST_WAIT_S):
                continue
            data = self._exchange(data)
            if self.simulator.unplug_s:
                pull_at_ns = self._clock_ns() + _ANSWER_NS
                plug_at_ns = pull_at_ns + round(self.simulator.unplug_s * 1e9)
                self.simulator.unplug_s = 0.0

    def _exchange(self, data: bytes) -> bytes:
        with self._lock:
            pipe = self._pipe
            if pipe is None:
                return b""
            try:
                now_ns = self._clock_ns()
                if pipe.unsent < _MOST_UNSENT_BYTES:
                    pipe.write(self.simulator.step(data, now_ns))
                    data = b""
                return data + pipe.read(min(_LONGEST_WAIT_S, self.simulator.due_in_s(now_ns)))
            except Unavailable:  # nobody reads, and the pipe is full: a UART would lose it too
                pipe.discard()
                return b""
