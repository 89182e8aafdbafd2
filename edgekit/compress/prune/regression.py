"""Least squares from moments: the weights with which a layer answers best."""

from collections.abc import Sequence

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
    whole = halves[0] + halves[1]
    weights = np.empty_like(prior)
    for group in range(len(prior)):
        problems = [
            _Ridge(some, prior[group], group, centred=has_bias) for some in (*halves, whole)
        ]
        strength = min(
            _STRENGTHS,
            key=lambda pull: sum(
                other.error(one.solution(pull))
                for one, other in ((problems[0], problems[1]), (problems[1], problems[0]))
            ),
        )
        weights[group] = problems[2].solution(strength)
    return weights, bias_for(whole, weights) if has_bias else np.zeros(prior.shape[:2])


def bias_for(moments: Moments, weights: Array) -> Array:
    """The bias with which the mean answer is the mean target: `[groups, outputs]`."""
    answer = np.einsum("gok,gk->go", weights, moments.mean)
    return np.asarray(moments.target_mean - answer)


class _Ridge:
    """One regression in the basis in which every strength is a division."""

    def __init__(self, moments: Moments, prior: Array, group: int, *, centred: bool) -> None:
        self._covariance = moments.second(centred=centred)[group]
        self._cross = moments.cross(centred=centred)[group]
        self._prior = prior
        values, self._basis = np.linalg.eigh(self._covariance)
        self._values = np.maximum(values, 0)
        self._unit = float(self._values.mean()) + 1e-12
        self._residual = (self._cross - prior @ self._covariance) @ self._basis

    def solution(self, strength: float) -> Array:
        change = self._residual / (self._values + strength * self._unit)
        return np.asarray(self._prior + change @ self._basis.T)

    def error(self, weights: Array) -> float:
        """The squared error, but for what no weights change."""
        seen = weights @ self._covariance - 2 * self._cross
        return float(np.einsum("ok,ok->", weights, seen))
