"""What is done after each connect."""

import logging
import threading
from collections.abc import Callable

from edgekit.messaging.refusals import Complaints


class Greetings:
    """Handlers that are called when they are due; what one raises is logged and ends nothing."""

    def __init__(self, log: logging.Logger) -> None:
        self._handlers: list[Callable[[], None]] = []
        self._is_due = threading.Event()
        self._mishaps = Complaints(log)

    def add(self, handler: Callable[[], None]) -> None:
        """One more; all are due now. From any thread."""
        self._handlers.append(handler)
        self._is_due.set()

    def are_due(self) -> None:
        """There is a new connection."""
        self._is_due.set()

    def say(self) -> None:
        """Calls all handlers, where they are due."""
        if not self._is_due.is_set():
            return
        self._is_due.clear()
        for handler in tuple(self._handlers):
            try:
                handler()
            except Exception as error:
                self._mishaps.make(f"{handler}", "a bug in what is done at connecting", error=error)
