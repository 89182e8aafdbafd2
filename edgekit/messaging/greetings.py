"""What is done after each connect."""

import logging
import threading
from collections.abc import Callable

from edgekit.messaging.refusals import Complaints


class Greetings:
    """Handlers that are called when they are due; what one raises is logged and ends nothing."""

    def __init__(self, log: logging.Logger) -> None:
        self._handlers: list[Callable[[], None]] = []
        self._due: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._mishaps = Complaints(log)

    def add(self, handler: Callable[[], None]) -> None:
        """One more, which is due now. From any thread."""
        with self._lock:
            self._handlers.append(handler)
            self._due.append(handler)

    def remove(self, handler: Callable[[], None]) -> None:
        """One less; nothing where it is not there. From any thread."""
        with self._lock:
            self._handlers = [kept for kept in self._handlers if kept != handler]
            self._due = [kept for kept in self._due if kept != handler]

    def are_due(self) -> None:
        """There is a new connection."""
        with self._lock:
            self._due = list(self._handlers)

    def say(self) -> None:
        """Calls the handlers that are due."""
        with self._lock:
            due, self._due = self._due, []
        for handler in due:
            try:
                handler()
            except Exception as error:
                self._mishaps.make(f"{handler}", "a bug in what is done at connecting", error=error)
