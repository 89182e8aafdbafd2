"""What two models' answers to the same samples say of each other: pure arithmetic on arrays."""

from typing import NamedTuple

import numpy as np

from edgekit.array import Array
from edgekit.bundle.manifest import OutputKind

_RAW_TOLERANCE = 0.05
_LEAST_PROBABILITY = 1e-9
_Z = 1.959964  # of a two-sided 95 % interval


class Difference(NamedTuple):
    """A share after minus the share before, with its paired 95 % interval; -1 to 1."""

    change: float
    low: float
    high: float


def top_k_hits(answers: Array, targets: Array, k: int) -> Array:
    """Bool `[N]`: whether each sample's class is among its k likeliest.

    Args:
        answers: `[N, classes]`.
        targets: int `[N]`, each >= 0.
        k: how many answers count.
    """
    best = np.argsort(-answers, axis=1, kind="stable")[:, :k]
    hits: Array = (best == targets[:, np.newaxis]).any(axis=1)
    return hits


def top_k_accuracy(answers: Array, targets: Array, k: int) -> float | None:
    """The share of samples of a known class (>= 0) whose class is among the k likeliest.

    `None` where no class is known, or where k > 1 covers every class.
    """
    known = targets >= 0
    if not known.any() or (answers.shape[1] <= k and k > 1):
        return None
    return float(top_k_hits(answers[known], targets[known], k).mean())


def same_answers(
    was: Array, is_now: Array, *, kind: OutputKind, threshold: float | None = None
) -> Array:
    """Bool `[N]`: same class, same verdict, or, for raw values, within 5 % of their spread.

    Args:
        was: the original's answers `[N, answer]`, as `Candidate.answer` gives them.
        is_now: the artifact's.
        kind: what the answers are.
        threshold: above which a score is anomalous, for an anomaly model.
    """
    if kind in ("scores", "logits"):
        same: Array = was.argmax(axis=1) == is_now.argmax(axis=1)
    elif threshold is not None:
        same = (was[:, 0] > threshold) == (is_now[:, 0] > threshold)
    else:
        spread = max(float(was.std()), 1e-12)
        same = np.abs(is_now - was).max(axis=1) <= _RAW_TOLERANCE * spread
    return same


def divergence(was: Array, is_now: Array) -> Array:
    """KL(original || artifact) of each sample, in nats: float64 `[N]`, never below 0.

    Rows that do not sum to 1, as a Sigmoid gives them, are taken as independent yes-or-no answers,
    whose divergences add up. A probability that the artifact rounds to 0, as an integer output
    does to most of a thousand classes, has an equal part of what its row lacks to 1.

    Args:
        was: the original's probabilities `[N, classes]`.
        is_now: the artifact's.
    """
    p, q = was.astype(np.float64), is_now.astype(np.float64)
    if not np.allclose(p.sum(axis=1), 1, atol=0.02):
        p, q = p.clip(0, 1), q.clip(_LEAST_PROBABILITY, 1 - 1e-6)
        return _summed(p, q) + _summed(1 - p, 1 - q)
    q = _filled(q)
    return np.maximum(_summed(p / p.sum(axis=1, keepdims=True), q), 0.0)


def paired_difference(before: Array, after: Array) -> Difference:
    """How much more often `after` is right than `before` on the same samples.

    Only samples on which they differ carry information, so the interval is far narrower than one
    of two independent shares. Agresti and Min, 2005, Statistics in Medicine 24:729-740: Wald's
    interval with half a sample added to each cell of the two-by-two table.

    Args:
        before: bool `[N]`.
        after: bool `[N]`.
    """
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    count = len(before)
    total, difference, discordant = count + 2.0, float(won - lost), lost + won + 1.0
    centre = difference / total
    error = _Z * np.sqrt(discordant - difference**2 / total) / total
    low, high = max(-1.0, centre - error), min(1.0, centre + error)
    return Difference(difference / count, float(low), float(high))


def _filled(q: Array) -> Array:
    """Rows that sum to 1 without a zero among them."""
    empty = q <= 0
    lacking = np.maximum(1 - q.sum(axis=1, keepdims=True), 0) / np.maximum(
        empty.sum(axis=1, keepdims=True), 1
    )
    q = np.maximum(np.where(empty, lacking, q), _LEAST_PROBABILITY)
    filled: Array = q / q.sum(axis=1, keepdims=True)
    return filled


def _summed(p: Array, q: Array) -> Array:
    terms = np.where(p > 0, p * (np.log(np.maximum(p, 1e-300)) - np.log(q)), 0.0)
    total: Array = terms.sum(axis=1)
    return total
