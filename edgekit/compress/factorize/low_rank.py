"""The two thin matrices whose product answers most like a given one."""

import numpy as np

from edgekit.array import Array


def of_rank(weights: Array, covariance: Array, importance: Array, rank: int) -> tuple[Array, Array]:
    """The factors ``[O, rank] @ [rank, K]`` that change the output ``W x`` least.

    The truncated singular value decomposition of the weights as they are seen through the inputs'
    covariance and the outputs' importance: errors of outputs count, not of weights (Zhang et al.,
    2015, arXiv:1505.06798, section 2).

    Args:
        weights: float64 `[O, K]`.
        covariance: float64 `[K, K]` of the inputs.
        importance: float64 `[O]`, of a squared error of each output.
        rank: at most min(O, K).
    """
    little = 1e-6 * float(np.trace(covariance)) / len(covariance) + 1e-12
    root = np.linalg.cholesky(covariance + little * np.eye(len(covariance)))
    scale = np.sqrt(importance / importance.mean() + 1e-3)[:, np.newaxis]
    left, values, right = np.linalg.svd(scale * (weights @ root), full_matrices=False)
    outer = left[:, :rank] * np.sqrt(values[:rank]) / scale
    inner = np.linalg.solve(root.T, (np.sqrt(values[:rank, None]) * right[:rank]).T).T
    return outer, inner
