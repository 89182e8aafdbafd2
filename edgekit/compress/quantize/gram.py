"""Second moments of what a layer reads: all that least-squares rounding needs to know of the data."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.compress.layers import Layer

_POSITIONS = 1024
"""How many places of one sample count; more say nothing new and cost time."""
_DAMPING = 0.01


@dataclass(frozen=True)
class Gram:
    """Moments of a layer's patches over samples and positions, about their means.

    The layer reads `x` in the compressed network and `x0` in the original.

    Attributes:
        covariance: float64 `[groups, K, K]`, E[(x - mean)(x - mean)^T].
        cross: float64 `[groups, K, K]`, E[(x0 - original_mean)(x - mean)^T].
        mean: float64 `[groups, K]`, E[x].
        original_mean: float64 `[groups, K]`, E[x0].
    """

    covariance: Array
    cross: Array
    mean: Array
    original_mean: Array

    def damped(self) -> Array:
        """The covariance with a little added to its diagonal, so that it can be inverted."""
        diagonal = np.einsum("gkk->gk", self.covariance)
        little = _DAMPING * diagonal.mean(axis=1) + 1e-12
        result: Array = self.covariance + little[:, None, None] * np.eye(self.covariance.shape[-1])
        return result

    def target(self, matrix: Array) -> Array:
        """The weights that answer `x` as nearly as can be as `matrix` answers `x0`.

        The least-squares solution, with the damping pulling towards `matrix` itself. Asymmetric
        calibration: Li et al., 2025, GPTAQ, arXiv:2504.02692.

        Args:
            matrix: float64 `[groups, outputs, K]`.
        """
        damped = self.damped()
        cross = self.cross + (damped - self.covariance)
        return np.stack(
            [np.linalg.solve(a, (w @ c).T).T for a, c, w in zip(damped, cross, matrix, strict=True)]
        )

    def bias_shift(self, matrix: Array, rounded: Array) -> Array:
        """What to add to the bias so that the mean output stays: `[groups * outputs]`."""
        before = np.einsum("gok,gk->go", matrix, self.original_mean)
        return (before - np.einsum("gok,gk->go", rounded, self.mean)).reshape(-1)


def gram_of(layer: Layer, pairs: Iterable[tuple[Array, Array]], *, seed: int = 0) -> Gram:
    """Collects the moments sample by sample.

    Args:
        layer: whose patches they are.
        pairs: what it reads of each sample, `[1, ...]`: in the compressed network, in the original.
        seed: which positions of a sample count, where there are many.
    """
    rng = np.random.default_rng(seed)
    second = cross = total = original_total = np.zeros(())
    count = 0
    for values, original in pairs:
        x = layer.patches(values)
        x0 = x if original is values else layer.patches(original)
        if x.shape[-1] > _POSITIONS:
            chosen = rng.choice(x.shape[-1], _POSITIONS, replace=False)
            x0 = x0[:, :, chosen]
            x = x0 if original is values else x[:, :, chosen]
        x = np.ascontiguousarray(x)
        second = second + np.matmul(x, x.transpose(0, 2, 1), dtype=np.float32)
        if original is not values:
            cross = cross + np.matmul(np.ascontiguousarray(x0), x.transpose(0, 2, 1))
        total = total + x.sum(axis=2, dtype=np.float64)
        original_total = original_total + x0.sum(axis=2, dtype=np.float64)
        count += x.shape[2]
    mean, original_mean = total / count, original_total / count
    covariance = second / count - _outer(mean, mean)
    if cross.ndim == 0:
        return Gram(covariance, covariance, mean, mean)
    return Gram(covariance, cross / count - _outer(original_mean, mean), mean, original_mean)


def _outer(left: Array, right: Array) -> Array:
    return np.einsum("gi,gj->gij", left, right)
