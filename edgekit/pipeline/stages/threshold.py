"""Lets only clear predictions through."""

from collections.abc import Mapping

from edgekit.pipeline.parts import Inference
from edgekit.pipeline.severity import severity
from edgekit.runtime.prediction import AnomalyScore, Classification, Prediction


class Threshold:
    """Drops predictions whose answer is below a limit.

    A classifier's answer is its first class: it needs the probability that `labels` gives for
    it, or `at_least` where `labels` does not name it; without `at_least` a class that is not
    named is dropped. An anomaly needs `at_least` times the model's threshold, or with
    `anomalous_only` to be anomalous. Raw values pass as they are.
    """

    def __init__(
        self,
        *,
        at_least: float | None = None,
        labels: Mapping[str, float] | None = None,
        anomalous_only: bool = False,
    ) -> None:
        self._at_least, self._labels = at_least, labels or {}
        self._anomalous_only = anomalous_only

    def push(self, item: Inference, /) -> Inference | None:
        """Takes a prediction; gives it if it is clear enough."""
        return item if self._passes(item.prediction) else None

    def reset(self) -> None:
        """Holds nothing to forget."""

    def _passes(self, prediction: Prediction) -> bool:
        match prediction:
            case Classification(top):
                if self._at_least is None and not self._labels:
                    return True
                if not top:
                    return False
                limit = self._labels.get(top[0].label, self._at_least)
                return limit is not None and top[0].p >= limit
            case AnomalyScore():
                if self._anomalous_only and not prediction.anomalous:
                    return False
                return self._at_least is None or severity(prediction) >= self._at_least
        return True
