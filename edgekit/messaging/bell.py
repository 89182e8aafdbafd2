"""Ends a thread's wait for the network from another thread."""

import contextlib
import socket
from types import TracebackType
from typing import Self


class Bell:
    """A pair of sockets: `ring` makes the other one readable. Outside its block nobody hears it."""

    def __init__(self) -> None:
        self._sockets: tuple[socket.socket, socket.socket] | None = None

    def __enter__(self) -> Self:
        self._sockets = socket.socketpair()
        for each in self._sockets:
            each.setblocking(False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._sockets is not None
        sockets, self._sockets = self._sockets, None
        for each in sockets:
            each.close()

    def fileno(self) -> int:
        """What to wait for."""
        assert self._sockets is not None
        return self._sockets[0].fileno()

    def ring(self) -> None:
        """Wakes whoever waits; from any thread."""
        sockets = self._sockets
        with contextlib.suppress(OSError):  # full: it will wake anyway; closed: nobody waits
            if sockets is not None:
                sockets[1].send(b"\0")

    def hush(self) -> None:
        """Takes notice of having been woken."""
        assert self._sockets is not None
        with contextlib.suppress(BlockingIOError):
            self._sockets[0].recv(4096)
