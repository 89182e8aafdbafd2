"""Chooses how many classes a prediction names."""

from dataclasses import replace

from edgekit.pipeline.parts import Inference
from edgekit.runtime.prediction import Classification


class Top:
    """Names the `classes` likeliest classes; the first stays first. Others pass as they are."""

    def __init__(self, *, classes: int) -> None:
        self._classes = classes

    def push(self, item: Inference, /) -> Inference:
        """Takes a prediction; gives it with so many classes, or as many as the model has."""
        found = item.prediction
        if not isinstance(found, Classification) or len(found.top) == self._classes:
            return item
        top = found.top
        if len(top) < self._classes and found.scores.size > len(top):
            named = {score.id for score in top}
            more = Classification.of(found.scores, found.labels, top=self._classes).top
            top = (*top, *(score for score in more if score.id not in named))
        return replace(item, prediction=replace(found, top=top[: self._classes]))

    def reset(self) -> None:
        """Holds nothing to forget."""
