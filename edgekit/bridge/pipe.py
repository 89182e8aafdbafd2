"""A byte pipe to a microcontroller: a serial port, a pseudo-terminal or a socket."""

import contextlib
import errno
import glob
import os
import select
import socket
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from edgekit.bridge.libraries import library
from edgekit.errors import Unavailable

_READ_BYTES = 16_384
_MOST_UNSENT_BYTES = 65_536


class Pipe(Protocol):
    """Carries bytes both ways. `read` and `write` are one thread's; `wake` is anybody's."""

    def read(self, timeout_s: float) -> bytes:
        """What has come; nothing where nothing came in time, or `wake` was called.

        Raises:
            Unavailable: the other end is gone.
        """

    def write(self, data: bytes) -> None:
        """Sends bytes, without waiting for a device that does not take them.

        Raises:
            Unavailable: the other end is gone, or takes nothing.
        """

    def wake(self) -> None:
        """Ends a `read` that waits."""

    def close(self) -> None:
        """Lets go of the device."""


class DescriptorPipe:
    """A pipe over an open file descriptor that `select.poll` can wait for."""

    def __init__(
        self, descriptor: int, name: str, *, close: Callable[[], None] | None = None
    ) -> None:
        """Takes the descriptor over.

        Args:
            descriptor: read and written; made non-blocking.
            name: for messages.
            close: closes it; by default the descriptor is closed.
        """
        self._descriptor = descriptor
        self._name = name
        self._close = close or (lambda: os.close(descriptor))
        self._unsent = bytearray()
        self._bell, self._alarm = socket.socketpair()
        self._bell.setblocking(False)
        self._alarm.setblocking(False)
        os.set_blocking(descriptor, False)

    def read(self, timeout_s: float) -> bytes:
        """What has come by then; sends what waits meanwhile."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        poll.register(self._descriptor, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        for descriptor, event in poll.poll(max(0.0, timeout_s) * 1000):
            if descriptor == self._bell.fileno():
                with contextlib.suppress(BlockingIOError):
                    self._bell.recv(4096)
                continue
            if event & select.POLLOUT:
                self._flush()
            if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                return self._read()
            if event & select.POLLNVAL:
                raise Unavailable(f"{self._name}: is closed")
        return b""

    def write(self, data: bytes) -> None:
        """Sends as much as the device takes now, and keeps the rest for the next `read`."""
        self._unsent += data
        self._flush()
        if len(self._unsent) > _MOST_UNSENT_BYTES:
            raise Unavailable(f"{self._name}: takes no bytes; is its flow control on?")

    @property
    def unsent(self) -> int:
        """Bytes that wait for the device to take them."""
        return len(self._unsent)

    def discard(self) -> None:
        """Forgets what was not sent yet."""
        self._unsent.clear()

    def wake(self) -> None:
        """Ends a `read` that waits; from any thread."""
        with contextlib.suppress(OSError):  # full, so it will wake; or closed, so it has ended
            self._alarm.send(b"\0")

    def close(self) -> None:
        """Closes the descriptor."""
        self._bell.close()
        self._alarm.close()
        with contextlib.suppress(OSError):  # of a device that is gone; it is closed all the same
            self._close()

    def _read(self) -> bytes:
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._gone(error) from error
        if not data:
            raise Unavailable(f"{self._name}: the other end has closed")
        return data

    def _flush(self) -> None:
        while self._unsent:
            try:
                sent = os.write(self._descriptor, self._unsent)
            except BlockingIOError:
                return
            except OSError as error:
                raise self._gone(error) from error
            del self._unsent[:sent]

    def _gone(self, error: OSError) -> Unavailable:
        if error.errno in (errno.EIO, errno.ENXIO, errno.ENODEV, errno.EPIPE, errno.EBADF):
            return Unavailable(f"{self._name}: the device is gone: {error.strerror}")
        return Unavailable(f"{self._name}: {error.strerror}")


def open_port(port: str, *, baud: int = 115_200) -> Pipe:
    """Opens a microcontroller's port.

    Args:
        port: a path (`/dev/serial/by-id/...` outlives replugging; `*`, `?` and `[...]` are
            filled in where one path alone fits), or `socket://HOST:PORT` or `unix:PATH` for a
            UART that an emulator or a serial server gives.
        baud: bits a second; of no meaning to a pseudo-terminal, a socket or USB.

    Raises:
        InputError: pyserial is missing.
        Unavailable: it is not there, several fit, or it is in use.
    """
    if port.startswith("unix:"):
        return _connected(port, socket.AF_UNIX, port.removeprefix("unix:"))
    if port.startswith("socket://"):
        host, _, number = port.removeprefix("socket://").rpartition(":")
        if not number.isdigit():
            raise Unavailable(f"{port}: write it as socket://HOST:PORT")
        return _connected(port, socket.AF_INET, (host, int(number)))
    path = found_port(port)
    serial = library("serial")
    try:
        opened = serial.Serial(path, baudrate=baud, timeout=0, write_timeout=0, exclusive=True)
    except (OSError, ValueError, termios.error) as error:  # pyserial's own error is an OSError
        raise Unavailable(f"{path}: {_why(error)}") from error
    return DescriptorPipe(opened.fileno(), path, close=opened.close)


def found_port(port: str) -> str:
    """The one path that fits a pattern, or the path itself.

    Raises:
        Unavailable: none is there, or several are.
    """
    if not any(letter in port for letter in "*?["):
        if not Path(port).exists():
            raise Unavailable(f"{port}: nothing is plugged in there")
        return port
    found = sorted(glob.glob(port))  # noqa: PTH207 -- an absolute pattern, which Path.glob refuses
    if len(found) == 1:
        return found[0]
    if found:
        raise Unavailable(f"{port}: fits several: {', '.join(found)[:300]}; name one of them")
    raise Unavailable(f"{port}: nothing is plugged in that fits")


def _connected(name: str, family: int, address: str | tuple[str, int]) -> Pipe:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(5.0)
        connection.connect(address)
    except OSError as error:
        connection.close()
        raise Unavailable(f"{name}: {_why(error)}") from error
    return DescriptorPipe(connection.fileno(), name, close=connection.close)


def _why(error: Exception) -> str:
    number = error.args[0] if isinstance(error, termios.error) else getattr(error, "errno", None)
    if number in (errno.EACCES, errno.EPERM):
        return "not allowed: add the daemon's user to the group dialout"
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        return "another program has it open"
    if number == errno.ENOENT:
        return "nothing is plugged in there"
    return os.strerror(number) if isinstance(number, int) else str(error)
