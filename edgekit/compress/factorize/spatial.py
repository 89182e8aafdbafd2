"""The Convs along one axis and then along the other that together answer most like a given one."""

import numpy as np

from edgekit.array import Array

_LEAST = 1e-6
_LEAST_IMPORTANCE = 1e-3


def along_both_axes(
    weights: Array, covariance: Array, importance: Array, rank: int
) -> tuple[Array, Array]:
    """A ``kh x 1`` Conv to `rank` channels and a ``1 x kw`` Conv from them.

    Jaderberg et al., 2014, arXiv:1405.3866, scheme 2, so that errors of outputs count, not of
    weights: what the first Conv keeps are the leading directions of the weights as seen through
    the inputs' covariance along its own axis, and the second is the least-squares answer to it.

    Args:
        weights: float64 `[O, C, kh, kw]`.
        covariance: float64 `[C kh kw, C kh kw]` of the inputs.
        importance: float64 `[O]`, of a squared error of each output.
        rank: at most C kh.

    Returns:
        float64 `[rank, C, kh, 1]`, whose outputs have the variance 1, and `[O, rank, 1, kw]`.
    """
    outputs, channels, height, width = weights.shape
    own = np.einsum("ayxbzx->aybz", covariance.reshape(2 * (channels, height, width))) / width
    values, basis = np.linalg.eigh(own.reshape(2 * (channels * height,)))
    root = np.sqrt(np.maximum(values, _LEAST * float(values.mean()) + 1e-12))
    scale = np.repeat(np.sqrt(importance / importance.mean() + _LEAST_IMPORTANCE), width)
    table = weights.transpose(1, 2, 0, 3).reshape(channels * height, outputs * width)
    left = np.linalg.svd(root[:, np.newaxis] * (basis.T @ table) * scale, full_matrices=False)[0]
    first = ((basis / root) @ left[:, :rank]).T.reshape(rank, channels, height)
    spread = unfolded(first, width)
    gram = spread @ covariance @ spread.T
    little = _LEAST * float(np.trace(gram)) / len(gram) + 1e-12
    answer = spread @ covariance @ weights.reshape(outputs, -1).T
    second = np.linalg.solve(gram + little * np.eye(len(gram)), answer).T
    return first[..., np.newaxis], second.reshape(outputs, rank, 1, width)


def unfolded(first: Array, width: int) -> Array:
    """A Conv `[rank, C, kh]` as it reads a window: `[rank width, C kh width]`."""
    rank, channels, height = first.shape
    spread = np.zeros((rank, width, channels, height, width))
    for place in range(width):
        spread[:, place, :, :, place] = first
    return spread.reshape(rank * width, channels * height * width)
