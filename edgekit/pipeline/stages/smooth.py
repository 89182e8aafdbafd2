"""Smooths predictions over time: class scores, anomaly scores or raw values."""

import time
from collections.abc import Callable, Hashable
from dataclasses import replace

import numpy as np

from edgekit.array import Array
from edgekit.pipeline.parts import Inference
from edgekit.runtime.prediction import AnomalyScore, Classification, Prediction, RawValues


class Smooth:
    """Gives each prediction the mean of the last few, or an exponential mean over time.

    Every class is smoothed and the likeliest are chosen afterwards, so a class may lead that led
    in no single sample. A prediction of another kind, shape or set of labels starts afresh: the
    model was changed. An anomaly keeps its own model's threshold.
    """

    def __init__(
        self,
        *,
        samples: int | None = None,
        half_life_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes one of `samples` and `half_life_s`.

        Args:
            samples: the mean is of so many predictions, or of all there are until then.
            half_life_s: after so many seconds a prediction counts half as much as a new one.
            clock: seconds that never go back. A capture time is not used: it is the time of day,
                which jumps when a board's clock is set.
        """
        assert (samples is None) != (half_life_s is None), "give samples or half_life_s"
        self._mean: _LastFew | _Exponential = (
            _LastFew(samples) if samples is not None else _Exponential(half_life_s or 1.0, clock)
        )
        self._kind: Hashable = None

    def push(self, item: Inference, /) -> Inference:
        """Takes a prediction; gives it smoothed."""
        values = _values(item.prediction)
        if values.size == 0:
            return item
        kind = _kind(item.prediction)
        if kind != self._kind:
            self._mean.clear()
            self._kind = kind
        return replace(item, prediction=_with(item.prediction, self._mean.add(values)))

    def reset(self) -> None:
        """Forgets the predictions so far."""
        self._kind = None


class _LastFew:
    """The mean of the last few arrays."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._ring = np.empty((0,))
        self._added = 0

    def clear(self) -> None:
        self._added = 0

    def add(self, values: Array) -> Array:
        if self._added == 0:
            self._ring = np.empty((self._count, *values.shape))
        self._ring[self._added % self._count] = values
        self._added += 1
        mean: Array = self._ring[: self._added].mean(axis=0)
        return mean


class _Exponential:
    """A mean in which an array's weight halves every `half_life_s`."""

    def __init__(self, half_life_s: float, clock: Callable[[], float]) -> None:
        self._half_life_s, self._clock = half_life_s, clock
        self._mean: Array | None = None
        self._at_s = 0.0

    def clear(self) -> None:
        self._mean = None

    def add(self, values: Array) -> Array:
        now = self._clock()
        if self._mean is None:
            self._mean = values
        else:
            kept = 0.5 ** ((now - self._at_s) / self._half_life_s)
            self._mean = kept * self._mean + (1 - kept) * values
        self._at_s = now
        return self._mean


def _values(prediction: Prediction) -> Array:
    match prediction:
        case Classification():
            return prediction.scores
        case AnomalyScore():
            return np.array([prediction.score])
        case RawValues():
            return prediction.values


def _with(prediction: Prediction, values: Array) -> Prediction:
    match prediction:
        case Classification(top, _, labels):
            return Classification.of(values, labels, top=len(top))
        case AnomalyScore():
            return AnomalyScore(float(values[0]), prediction.threshold)
        case RawValues():
            return RawValues(values)


def _kind(prediction: Prediction) -> Hashable:
    match prediction:
        case Classification():
            return prediction.scores.shape, prediction.labels
        case AnomalyScore():
            return AnomalyScore
        case RawValues():
            return RawValues, prediction.values.shape
