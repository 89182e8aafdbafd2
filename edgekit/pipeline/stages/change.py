"""Lets a prediction through only where its answer is news."""

import time
from collections.abc import Callable

from edgekit.pipeline.parts import Inference
from edgekit.pipeline.stages.answer import Answer, answer_of


class Change:
    """Drops predictions whose answer is that of the last one passed, until a heartbeat is due.

    The answer is the first class, whether it is anomalous, or all raw values.
    """

    def __init__(
        self, *, heartbeat_s: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Takes how many seconds without news let one prediction through; `None`: none do.

        The clock gives seconds that never go back.
        """
        self._heartbeat_s, self._clock = heartbeat_s, clock
        self._passed: tuple[type, Answer] | None = None
        self._passed_at_s = 0.0

    def push(self, item: Inference, /) -> Inference | None:
        """Takes a prediction; gives it if its answer is new or the heartbeat is due."""
        now = self._clock()
        answer = (type(item.prediction), answer_of(item.prediction))
        late = self._heartbeat_s is not None and now - self._passed_at_s >= self._heartbeat_s
        if answer == self._passed and not late:
            return None
        self._passed, self._passed_at_s = answer, now
        return item

    def reset(self) -> None:
        """Forgets the last answer: the next prediction passes."""
        self._passed = None
