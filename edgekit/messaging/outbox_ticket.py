"""What whoever hands a message to the outbox gets for it."""

import threading


class Ticket:
    """What became of one message that was handed to the outbox.

    Attributes:
        is_stored: whether it is on the disk; `None` until that is known.
        is_lost: whether it is neither on the disk nor in anyone's memory.
    """

    __slots__ = ("_changed", "is_lost", "is_stored")

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self.is_stored: bool | None = None
        self.is_lost = False

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until the message is committed; false where it is not, or not in time."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_stored is not None, timeout_s)
        return self.is_stored is True
