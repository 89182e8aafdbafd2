"""Second moments of what a layer reads: all that least-squares rounding asks of the data."""

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

    About 0 where the layer cannot have a bias, which else makes good the mean.

    The layer reads `x` in the compressed network and `x0` in the original.

    Attributes:
        damped: float64 `[groups, K, K]`, E[(x - mean)(x - mean)^T] with `damping` added to its
            diagonal, so that it can be inverted.
        damping: float64 `[groups]`.
        cross: float64 `[groups, K, K]`, E[(x0 - original_mean)(x - mean)^T].
        mean: float64 `[groups, K]`, E[x].
        original_mean: float64 `[groups, K]`, E[x0].
    """

    damped: Array
    damping: Array
    cross: Array
    mean: Array
    original_mean: Array

    def target(self, matrix: Array) -> Array:
        """The weights that answer `x` as nearly as can be as `matrix` answers `x0`.

        The least-squares solution, with the damping pulling towards `matrix` itself. Asymmetric
        calibration: Li et al., 2025, GPTAQ, arXiv:2504.02692. Weights that are 0 stay so.

        Args:
            matrix: float64 `[groups, outputs, K]`.
        """
        wanted = matrix @ self.cross + self.damping[:, np.newaxis, np.newaxis] * matrix
        groups = zip(self.damped, wanted, strict=True)
        solved = np.stack([np.linalg.solve(damped, rows.T).T for damped, rows in groups])
        return np.where(matrix == 0, 0.0, solved)

    def bias_shift(self, matrix: Array, rounded: Array) -> Array:
        """What to add to the bias so that the mean output stays: `[groups * outputs]`."""
        before = np.einsum("gok,gk->go", matrix, self.original_mean)
        after = np.einsum("gok,gk->go", rounded, self.mean)
        return np.asarray(before - after).reshape(-1)


class GramCollector:
    """Collects a layer's moments sample by sample.

    Args:
        layer: whose patches they are.
        seed: which positions of a sample count, where there are many.
    """

    def __init__(self, layer: Layer, *, seed: int = 0) -> None:
        self._layer = layer
        self._rng = np.random.default_rng(seed)
        groups, _, width = layer.matrix().shape
        self._second = np.zeros((groups, width, width))
        self._cross = np.zeros((groups, width, width))
        self._total = np.zeros((groups, width))
        self._original_total = np.zeros((groups, width))
        self._about, self._original_about = np.zeros((2, groups, width, 1), np.float32)
        self._count = 0

    def add(self, values: Array, original: Array) -> None:
        """Takes in what the layer reads of one sample, in the compressed network and the original.

        Args:
            values: float32 `[1, ...]`.
            original: the same array where there is but one network.
        """
        is_same = original is values
        x = self._layer.patches(values)
        x0 = x if is_same else self._layer.patches(original)
        if x.shape[-1] > _POSITIONS:
            chosen = self._rng.choice(x.shape[-1], _POSITIONS, replace=False)
            x0 = x0[:, :, chosen]
            x = x0 if is_same else x[:, :, chosen]
        if self._count == 0:  # moments about zero would drown small variances beside large means
            self._about = x.mean(axis=2, keepdims=True)
            self._original_about = x0.mean(axis=2, keepdims=True)
        x = x - self._about
        x0 = x if is_same else x0 - self._original_about
        second = np.matmul(x, x.transpose(0, 2, 1))
        self._second += second
        self._cross += second if is_same else np.matmul(x0, x.transpose(0, 2, 1))
        self._total += x.sum(axis=2, dtype=np.float64)
        self._original_total += x0.sum(axis=2, dtype=np.float64)
        self._count += x.shape[2]

    def gram(self) -> Gram:
        """The moments of all that was added; nothing can be added afterwards.

        Matrices are changed in place: those of a wide layer are most of what compression holds.
        """
        mean, original_mean = self._total / self._count, self._original_total / self._count
        covariance, cross = self._second, self._cross
        covariance /= self._count
        cross /= self._count
        _add_outer(covariance, -mean, mean)
        _add_outer(cross, -original_mean, mean)
        mean += self._about[:, :, 0]
        original_mean += self._original_about[:, :, 0]
        if not self._layer.can_have_bias:
            _add_outer(covariance, mean, mean)
            _add_outer(cross, original_mean, mean)
        diagonal = np.einsum("gkk->gk", covariance)
        damping = _DAMPING * diagonal.mean(axis=1) + 1e-12
        diagonal += damping[:, np.newaxis]
        return Gram(covariance, damping, cross, mean, original_mean)


def _add_outer(matrices: Array, left: Array, right: Array) -> None:
    """Adds ``left right^T`` to each matrix in place, a row at a time."""
    for matrix, column, row in zip(matrices, left, right, strict=True):
        for index, factor in enumerate(column):
            matrix[index] += factor * row
