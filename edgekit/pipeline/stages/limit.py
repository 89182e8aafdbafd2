"""A threshold that can be changed while a pipeline runs."""

from dataclasses import replace

from edgekit.pipeline.parts import Inference
from edgekit.runtime.prediction import AnomalyScore, Classification


class AnomalyLimit:
    """Takes the place of an anomaly model's own threshold, while it is set.

    Attributes:
        value: the score above which a sample is anomalous; `None` leaves the model's.
    """

    def __init__(self) -> None:
        self.value: float | None = None

    def push(self, item: Inference, /) -> Inference:
        """Gives the prediction with this threshold."""
        if self.value is None or not isinstance(item.prediction, AnomalyScore):
            return item
        return replace(item, prediction=replace(item.prediction, threshold=self.value))

    def reset(self) -> None:
        """Holds nothing of samples."""


class ClassLimit:
    """Holds back a classification whose best class is below it, while it is set.

    Attributes:
        value: the lowest probability that passes; `None` lets all pass.
    """

    def __init__(self) -> None:
        self.value: float | None = None

    def push(self, item: Inference, /) -> Inference | None:
        """Gives the prediction, or nothing."""
        if self.value is None or not isinstance(item.prediction, Classification):
            return item
        top = item.prediction.top
        return item if top and top[0].p >= self.value else None

    def reset(self) -> None:
        """Holds nothing of samples."""
