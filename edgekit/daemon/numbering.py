"""Numbers events through reloads, so that no event of one run of the daemon gets an id twice."""

import threading
from collections import Counter

from edgekit.pipeline.runner import Counts


class Numbering:
    """Remembers by name how far each pipeline, fusion and rule has come. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Counts] = {}
        self._given: Counter[tuple[str, str]] = Counter()

    def counts(self, pipeline: str) -> Counts:
        """A pipeline's counts, which go on when it is made anew."""
        with self._lock:
            return self._counts.setdefault(pipeline, Counts())

    def next(self, kind: str, name: str) -> int:
        """The next number of a fusion or a rule, from 0."""
        with self._lock:
            self._given[kind, name] += 1
            return self._given[kind, name] - 1
