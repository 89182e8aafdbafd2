"""The ports of a board, each of them opened once however many pipelines use it."""

import threading
from collections.abc import Callable
from weakref import WeakValueDictionary

from edgekit.bridge.pipe import Pipe, open_port
from edgekit.bridge.port import Port
from edgekit.errors import InputError


class Ports:
    """The ports of a board, each opened once however many use it."""

    def __init__(self, opener: Callable[..., Pipe] = open_port) -> None:
        """None yet.

        Args:
            opener: opens a pipe.
        """
        self._opener = opener
        self._ports: WeakValueDictionary[str, Port] = WeakValueDictionary()
        self._lock = threading.Lock()

    def get(
        self, port: str, *, baud: int = 115_200, name: str | None = None, user: str | None = None
    ) -> Port:
        """The port; made at the first call, which settles its baud rate.

        Args:
            port: as `open_port` takes it.
            baud: bits a second.
            name: what to call it from now on.
            user: what to call it where nobody has named it: after who uses it first.

        Raises:
            InputError: it is used at another baud rate already.
        """
        with self._lock:
            known = self._ports.get(port)
            if known is None:
                known = Port(port, name=name or user, baud=baud, opener=self._opener)
                self._ports[port] = known
            elif known.baud != baud:
                raise InputError(f"{port}: is used at {known.baud} baud already, not at {baud}")
            elif name is not None:
                known.name = name
            return known

    @property
    def all(self) -> dict[str, Port]:
        """Those that somebody has, by their names."""
        with self._lock:
            return {port.name: port for port in self._ports.values()}
