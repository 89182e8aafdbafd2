"""Lets a changed answer through only once it has held."""

import time
from collections.abc import Callable

from edgekit.pipeline.parts import Inference
from edgekit.pipeline.stages.answer import Answer, answer_of
from edgekit.runtime.prediction import RawValues


class Debounce:
    """Holds back a new answer until it has held, for `samples` in a row or for `seconds`.

    The answer is the first class, or whether it is anomalous. Until a new answer has held, the
    predictions that give it are dropped, the first ones of all too; those that give the old
    answer pass. Raw values have no answer and pass as they are.
    """

    def __init__(
        self,
        *,
        samples: int | None = None,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes one of `samples`, at least 1, and `seconds` on a clock that never goes back."""
        assert (samples is None) != (seconds is None), "give samples or seconds"
        self._samples, self._seconds, self._clock = samples, seconds, clock
        self._answer: Answer = None
        self._confirmed: Answer = None
        self._any_confirmed = False
        self._since_s = 0.0
        self._count = 0

    def push(self, item: Inference, /) -> Inference | None:
        """Takes a prediction; gives it if its answer is the one that holds."""
        if isinstance(item.prediction, RawValues):
            return item
        answer = answer_of(item.prediction)
        now = self._clock()
        if not self._count or answer != self._answer:
            self._answer, self._since_s, self._count = answer, now, 0
        self._count += 1
        if self._has_held(now):
            self._confirmed, self._any_confirmed = answer, True
        return item if self._any_confirmed and answer == self._confirmed else None

    def reset(self) -> None:
        """Forgets the answers: the next has to hold too."""
        self._any_confirmed = False
        self._count = 0

    def _has_held(self, now: float) -> bool:
        if self._seconds is not None:
            return now - self._since_s >= self._seconds
        return self._samples is not None and self._count >= self._samples
