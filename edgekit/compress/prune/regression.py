"""Least squares from moments: the weights with which a layer answers best."""

from collections.abc import Iterator, Sequence

import numpy as np

from edgekit.array import Array
from edgekit.compress.prune.moments import Moments

_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


def refitted(
    halves: Sequence[Moments], prior: Array, *, has_bias: bool = True
) -> tuple[Array, Array]:
    """Weights and bias with which ``W x + b`` comes nearest to the targets.

    Ridge regression towards weights that are known to be good. How strongly it is pulled is what
    predicts the targets of each half of the samples best from the other half.

    Args:
        halves: moments of two halves of the samples.
        prior: float64 `[groups, outputs, inputs]`.
        has_bias: whether `b` is fitted too, or is zero.

    Returns:
        float64 weights of the prior's shape and bias `[groups, outputs]`.
    """
    one, other = (some.quadratic(centred=has_bias) for some in halves)
    strengths = [
        min(_STRENGTHS, key=_summed(*scores).__getitem__)
        for scores in zip(_scores(one, other, prior), _scores(other, one, prior), strict=True)
    ]
    whole = halves[0] + halves[1]
    problems = zip(*whole.quadratic(centred=has_bias), prior, strict=True)
    weights = np.stack(
        [
            _Ridge(*problem).solution(strength)
            for problem, strength in zip(problems, strengths, strict=True)
        ]
    )
    return weights, bias_for(whole, weights) if has_bias else np.zeros(prior.shape[:2])


def bias_for(moments: Moments, weights: Array) -> Array:
    """The bias with which the mean answer is the mean target: `[groups, outputs]`."""
    answer = np.einsum("gok,gk->go", weights, moments.mean)
    return np.asarray(moments.target_mean - answer)


def _scores(
    fitted: tuple[Array, Array], judged: tuple[Array, Array], prior: Array
) -> Iterator[dict[float, float]]:
    """Of each group: what each strength, fitted to some samples, comes to on others."""
    for second, cross, unseen, wanted, own in zip(*fitted, *judged, prior, strict=True):
        ridge = _Ridge(second, cross, own)
        answers = {strength: ridge.solution(strength) for strength in _STRENGTHS}
        yield {
            strength: float(np.einsum("ok,ok->", weights, weights @ unseen - 2 * wanted))
            for strength, weights in answers.items()
        }


def _summed(one: dict[float, float], other: dict[float, float]) -> dict[float, float]:
    return {strength: score + other[strength] for strength, score in one.items()}


class _Ridge:
    """One regression in the basis in which every strength is a division."""

    def __init__(self, second: Array, cross: Array, prior: Array) -> None:
        self._prior = prior
        values, self._basis = np.linalg.eigh(second)
        self._values = np.maximum(values, 0)
        self._unit = float(self._values.mean()) + 1e-12
        self._residual = (cross - prior @ second) @ self._basis

    def solution(self, strength: float) -> Array:
        change = self._residual / (self._values + strength * self._unit)
        return np.asarray(self._prior + change @ self._basis.T)
