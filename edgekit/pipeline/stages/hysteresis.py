"""Keeps an answer that is near the limit from flickering."""

from dataclasses import replace

from edgekit.pipeline.parts import Inference
from edgekit.pipeline.severity import score_at
from edgekit.runtime.prediction import AnomalyScore, Classification, ClassScore, label_of


class Hysteresis:
    """Holds an answer until it is clearly over: what it takes to enter is more than to stay.

    An anomaly begins above `enter` and lasts while the score is above `leave`, both in multiples
    of the model's threshold; the prediction carries the threshold that counted.

    A class becomes the answer as the likeliest with a probability of at least `enter`, and stays
    so, first of `top`, until its own falls below `leave`. While no class is the answer, nothing
    passes. Raw values pass as they are.
    """

    def __init__(self, *, enter: float, leave: float) -> None:
        assert leave <= enter
        self._enter, self._leave = enter, leave
        self._anomalous = False
        self._label: str | None = None

    def push(self, item: Inference, /) -> Inference | None:
        """Takes a prediction; gives it with the answer that holds, if one does."""
        match item.prediction:
            case AnomalyScore(score, threshold):
                limit = score_at(self._leave if self._anomalous else self._enter, threshold)
                held = AnomalyScore(score, limit)
                self._anomalous = held.anomalous
                return replace(item, prediction=held)
            case Classification():
                return self._classified(item, item.prediction)
        return item

    def reset(self) -> None:
        """Forgets the answer."""
        self._anomalous = False
        self._label = None

    def _classified(self, item: Inference, found: Classification) -> Inference | None:
        answer = _score_of(self._label, found)
        if answer is None or answer.p < self._leave:
            answer = found.top[0] if found.top and found.top[0].p >= self._enter else None
        self._label = answer.label if answer else None
        if answer is None:
            return None
        others = [score for score in found.top if score.id != answer.id]
        top = (answer, *others)[: len(found.top)]
        return replace(item, prediction=replace(found, top=top))


def _score_of(label: str | None, found: Classification) -> ClassScore | None:
    for score in found.top:
        if score.label == label:
            return score
    for number, p in enumerate(found.scores.tolist()) if label is not None else ():
        if label_of(number, found.labels) == label:
            return ClassScore(number, label, p)
    return None
