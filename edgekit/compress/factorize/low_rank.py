"""The two thin matrices whose product answers most like a given one."""

import numpy as np

from edgekit.array import Array

_LEAST = 1e-6
_LEAST_IMPORTANCE = 1e-3


def of_rank(weights: Array, covariance: Array, importance: Array, rank: int) -> tuple[Array, Array]:
    """The factors ``[O, rank] @ [rank, K]`` that change the output ``W x`` least.

    The truncated singular value decomposition of the weights as they are seen through the inputs'
    covariance and the outputs' importance: errors of outputs count, not of weights (Zhang et al.,
    2015, arXiv:1505.06798, section 2). What comes between the factors has the variance 1 in every
    channel, which is what loses least when all channels are rounded to one scale.

    Args:
        weights: float64 `[O, K]`.
        covariance: float64 `[K, K]` of the inputs.
        importance: float64 `[O]`, of a squared error of each output.
        rank: at most min(O, K).
    """
    values, basis = np.linalg.eigh(covariance)
    root = np.sqrt(np.maximum(values, _LEAST * float(values.mean()) + 1e-12))
    scale = np.sqrt(importance / importance.mean() + _LEAST_IMPORTANCE)[:, np.newaxis]
    left, gains, right = np.linalg.svd(scale * (weights @ basis * root), full_matrices=False)
    outer = left[:, :rank] * gains[:rank] / scale
    inner = (right[:rank] / root) @ basis.T
    return outer, inner
