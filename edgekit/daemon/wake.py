"""Wakes the daemon's main thread from anywhere, signals included."""

import contextlib
import math
import select
import socket

_LONGEST_S = 3600.0


class Wake:
    """Like an event that clears itself, but fit for signals.

    A handler runs between two steps of the main thread, which may just be inside
    `threading.Event` and would then wait for itself for ever. And a signal that the kernel brings
    to another thread wakes nobody by itself: `signal.set_wakeup_fd(wake.fileno())` has it do so.
    """

    def __init__(self) -> None:
        self._bell, self._alarm = socket.socketpair()
        for each in (self._bell, self._alarm):
            each.setblocking(False)

    def fileno(self) -> int:
        """Where a byte that is written wakes."""
        return self._alarm.fileno()

    def set(self) -> None:
        """Ends the wait that is under way, or the next one. From any thread or handler."""
        with contextlib.suppress(OSError):  # full: it will wake anyway; closed: nobody waits
            self._alarm.send(b"\0")

    def wait(self, timeout_s: float) -> None:
        """Waits until it is set, at most so many seconds."""
        calls = select.poll()
        calls.register(self._bell, select.POLLIN)
        calls.poll(math.ceil(1000 * min(timeout_s, _LONGEST_S)))
        with contextlib.suppress(BlockingIOError):
            while self._bell.recv(4096):
                pass

    def close(self) -> None:
        """Nobody waits any more."""
        self._bell.close()
        self._alarm.close()
