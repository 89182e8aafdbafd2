"""Pools what several models say of one thing into one prediction.

Late fusion of probabilities: the linear opinion pool is their weighted mean, the log-linear pool
their weighted geometric mean (Genest and Zidek, 1986, "Combining probability distributions: a
critique and an annotated bibliography", Statistical Science 1(1), 114-135).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

from edgekit.array import Array
from edgekit.pipeline.severity import severity
from edgekit.runtime.prediction import AnomalyScore, Classification, label_of

Pool = Literal["linear", "log"]
_LEAST = 1e-12  # what a log-linear pool takes a zero for, so that one model alone is no veto


def pool_classes(
    parts: Sequence[Classification], weights: Sequence[float], *, pool: Pool = "linear"
) -> Classification:
    """One classification from several, with classes aligned by their labels.

    The weights are taken relative to their sum. A model has no opinion on a class that it does
    not know: the class is pooled from those that know it, their weights relative to their own
    sum. At the end the scores are scaled so that their sum is the weighted mean of the models'
    sums, which is 1 for probabilities.

    Args:
        parts: at least one, each with all its scores.
        weights: one a part, all above 0.
        pool: `linear` or `log`.
    """
    known_by = tuple((part.labels, part.scores.size) for part in parts)
    labels, places = _aligned(known_by)
    shares = np.array(weights) / np.sum(weights)
    sums, knowing = np.zeros(len(labels)), np.zeros(len(labels))
    for part, share, place in zip(parts, shares, places, strict=True):
        scores = np.log(np.maximum(part.scores, _LEAST)) if pool == "log" else part.scores
        sums[place] += share * scores
        knowing[place] += share
    pooled = sums / knowing
    if pool == "log":
        pooled = np.exp(pooled)
    total = pooled.sum()
    if total > 0:
        pooled *= float(np.dot(shares, [part.scores.sum() for part in parts])) / total
    return Classification.of(pooled, labels, top=max(len(part.top) for part in parts))


def pool_anomalies(parts: Sequence[AnomalyScore], weights: Sequence[float]) -> AnomalyScore:
    """The weighted mean of the scores as multiples of their thresholds; its threshold is 1."""
    return AnomalyScore(float(np.average([severity(part) for part in parts], weights=weights)), 1.0)


@lru_cache(maxsize=64)
def _aligned(
    known_by: tuple[tuple[tuple[str, ...], int], ...],
) -> tuple[tuple[str, ...], tuple[Array, ...]]:
    """All labels in the order they are first met, and where each model's classes are among them.

    Where a model has a label twice, its second one is aligned with the others' second ones.
    """
    place_of: dict[tuple[str, int], int] = {}
    places = []
    for labels, size in known_by:
        seen: dict[str, int] = {}
        place = np.empty(size, np.intp)
        for number in range(size):
            label = label_of(number, labels)
            seen[label] = seen.get(label, -1) + 1
            place[number] = place_of.setdefault((label, seen[label]), len(place_of))
        places.append(place)
    return tuple(label for label, _ in place_of), tuple(places)
