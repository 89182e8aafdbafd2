"""A sink that keeps events in a list: for tests, and for programs that embed a pipeline."""

from types import TracebackType
from typing import Self

from edgekit.pipeline.parts import Event


class MemorySink:
    """Keeps every event.

    Attributes:
        events: what was sent, in order.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to close."""

    def send(self, event: Event) -> bool:
        """Takes an event."""
        self.events.append(event)
        return True
