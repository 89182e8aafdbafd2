"""Tells systemd how the daemon fares, by the protocol of sd_notify(3)."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

_STATUS_LIMIT = 1024


class Notifier(Protocol):
    """Who is told: systemd, or nobody.

    Attributes:
        watchdog_interval_s: within how many seconds `watchdog` has to be called again and again,
            or `None` where nobody watches. Call it at half of that, while work moves.
    """

    watchdog_interval_s: float | None

    def ready(self, status: str = "") -> None:
        """Start-up, or a reload, is over."""

    def reloading(self) -> None:
        """Settings are being read again; `ready` ends it."""

    def stopping(self, status: str = "") -> None:
        """Shutdown has begun."""

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""

    def watchdog(self) -> None:
        """Work moves."""

    def extend_timeout(self, seconds: float) -> None:
        """The start-up or shutdown under way takes at most so long from now."""


class SystemdNotifier:
    """Sends to the socket that systemd gave. A message that cannot be sent is let go."""

    def __init__(
        self,
        address: str,
        *,
        watchdog_interval_s: float | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Nothing is sent yet.

        Args:
            address: what `NOTIFY_SOCKET` says: a path, or `@` and an abstract name.
            watchdog_interval_s: what systemd's `WatchdogSec` is.
            clock_ns: CLOCK_MONOTONIC.
        """
        self.watchdog_interval_s = watchdog_interval_s
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._clock_ns = clock_ns

    def ready(self, status: str = "") -> None:
        """As `Notifier.ready`."""
        self._send("READY=1", *_status(status))

    def reloading(self) -> None:
        """As `Notifier.reloading`."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={self._clock_ns() // 1000}")

    def stopping(self, status: str = "") -> None:
        """As `Notifier.stopping`."""
        self._send("STOPPING=1", *_status(status))

    def status(self, text: str) -> None:
        """As `Notifier.status`."""
        self._send(*_status(text))

    def watchdog(self) -> None:
        """As `Notifier.watchdog`."""
        self._send("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """As `Notifier.extend_timeout`."""
        self._send(f"EXTEND_TIMEOUT_USEC={max(0, round(seconds * 1e6))}")

    def _send(self, *assignments: str) -> None:
        # Never waits: a daemon must not hang on a manager that is busy or gone.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto("\n".join(assignments).encode(errors="replace"), self._address)


class SilentNotifier:
    """Stands in where the daemon was not started by systemd."""

    watchdog_interval_s: float | None = None

    def ready(self, status: str = "") -> None:
        """Tells nobody."""

    def reloading(self) -> None:
        """Tells nobody."""

    def stopping(self, status: str = "") -> None:
        """Tells nobody."""

    def status(self, text: str) -> None:
        """Tells nobody."""

    def watchdog(self) -> None:
        """Tells nobody."""

    def extend_timeout(self, seconds: float) -> None:
        """Tells nobody."""


def notifier(
    environment: Mapping[str, str] = os.environ, *, process_id: int | None = None
) -> Notifier:
    """The notifier for what systemd put into the environment; a silent one where it put nothing."""
    address = environment.get("NOTIFY_SOCKET", "")
    if len(address) < 2 or address[0] not in "/@" or "\0" in address:
        return SilentNotifier()
    return SystemdNotifier(
        address, watchdog_interval_s=watchdog_interval_s(environment, process_id=process_id)
    )


def watchdog_interval_s(
    environment: Mapping[str, str] = os.environ, *, process_id: int | None = None
) -> float | None:
    """Within how many seconds systemd wants to hear from this process; `None` if it does not."""
    interval, watched = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID")
    if not (interval.isascii() and interval.isdecimal() and len(interval) < 20):
        return None
    if watched is not None and watched != str(os.getpid() if process_id is None else process_id):
        return None
    return int(interval) / 1e6 or None


def _status(text: str) -> list[str]:
    line = " ".join(text.split())[:_STATUS_LIMIT]
    return [f"STATUS={line}"] if line else []
