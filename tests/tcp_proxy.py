"""A TCP proxy on a loopback port that can stall, slow down, cut and refuse connections."""

import contextlib
import selectors
import socket
import threading
import time
from types import TracebackType
from typing import Self

_CHUNK = 4096


class TcpProxy:
    """Stands between a client and a server; what it is told holds for all connections at once.

    Attributes:
        host: the loopback address.
        port: where it listens.
    """

    host = "127.0.0.1"

    def __init__(self, port: int) -> None:
        """Listens.

        Args:
            port: where the server listens, on the loopback interface.
        """
        self._server_port = port
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._flows = threading.Event()
        self._flows.set()
        self._pause_s = 0.0
        self._accepts = True
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._accepts = False
        self._flows.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def stall(self) -> None:
        """Passes nothing on any more, as a network that is partitioned; nobody is told."""
        self._flows.clear()

    def slow(self, pause_s: float) -> None:
        """Waits so long before each piece that it passes on."""
        self._pause_s = pause_s

    def flow(self) -> None:
        """Ends `stall`, `slow` and `refuse`."""
        self._pause_s = 0.0
        self._accepts = True
        self._flows.set()

    def refuse(self) -> None:
        """Closes each new connection at once."""
        self._accepts = False

    def cut(self) -> None:
        """Ends the connections that stand."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _start(self, target: object, *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._accepts:
                client.close()
                continue
            try:
                server = socket.create_connection((self.host, self._server_port))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            self._start(self._pass_on, client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        with selectors.DefaultSelector() as ready, client, server:
            for each in other:
                ready.register(each, selectors.EVENT_READ)
            try:
                while True:
                    for key, _ in ready.select():
                        source = key.fileobj
                        assert isinstance(source, socket.socket)
                        piece = source.recv(_CHUNK)
                        self._flows.wait()
                        if self._pause_s:
                            time.sleep(self._pause_s)
                        if not piece:
                            return
                        other[source].sendall(piece)
            except OSError:
                return
            finally:
                with self._lock:
                    self._open -= {client, server}
