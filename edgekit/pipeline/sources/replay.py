"""A source that gives items from a list: for tests, and for programs that embed a pipeline."""

import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from edgekit.pipeline.parts import Refusal, Sample


class ReplaySource:
    """Gives the items it was made with, then ends."""

    def __init__(self, items: Iterable[Sample | Refusal]) -> None:
        self._items = items
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to close."""

    def items(self) -> Iterator[Sample | Refusal]:
        """Each item in turn."""
        for item in self._items:
            if self._stopped.is_set():
                return
            yield item

    def stop(self) -> None:
        """Makes `items` end."""
        self._stopped.set()
