"""Runs a model on trial on what the running model has just answered, and compares."""

import logging
import threading
import time
from collections.abc import Callable

from edgekit.errors import EdgekitError
from edgekit.pipeline.parts import Sample
from edgekit.runtime.prediction import AnomalyScore, Classification, Prediction, Timing
from edgekit.runtime.session import Session
from edgekit.update import CanaryLog, Observations

_log = logging.getLogger(__name__)
_MOST_HZ = 5.0


class Shadow:
    """A pipeline's witness: answers the same samples on the side, at most five a second.

    Nobody is told its answers. What it costs comes out of the pipeline's time, as it would when
    the model has taken over.
    """

    def __init__(self, session: Session, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.session = session
        self._clock_s = clock_s
        self._canary = CanaryLog()
        self._lock = threading.Lock()
        self._began_s = clock_s()
        self._next_s = 0.0

    def __call__(self, sample: Sample, prediction: Prediction, timing: Timing) -> None:
        """Takes a sample and the running model's answer."""
        if (now := self._clock_s()) < self._next_s:
            return
        self._next_s = now + 1 / _MOST_HZ
        try:
            answer, took = self.session.predict(sample.data)
        except EdgekitError as error:
            _log.warning("the model on trial failed on a sample: %s", error)
            with self._lock:
                self._canary.failed()
            return
        with self._lock:
            self._canary.saw(
                scores=_scores(answer),
                running_scores=_scores(prediction),
                latency_ms=_work_ms(took),
                running_latency_ms=_work_ms(timing),
            )

    def observations(self, *, temperature_c: float | None, before_c: float | None) -> Observations:
        """What was seen so far.

        Args:
            temperature_c: the board's, now.
            before_c: what it was before the trial.
        """
        with self._lock:
            self._canary.felt(temperature_c)
            elapsed_s = self._clock_s() - self._began_s
            return self._canary.observations(elapsed_s, running_temperature_c=before_c)


def _scores(prediction: Prediction) -> list[float]:
    match prediction:
        case Classification():
            return [float(score) for score in prediction.scores]
        case AnomalyScore(score):
            return [score]
        case _:
            return [float(value) for value in prediction.values.reshape(-1)]


def _work_ms(timing: Timing) -> float:
    return timing.prepare + timing.infer + timing.interpret
