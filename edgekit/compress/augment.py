"""More samples out of few: pictures mirrored, cut out and mixed; anything else as it is."""

from collections.abc import Sequence

import cv2
import numpy as np

from edgekit.array import Array

_LEAST_SIDE = 0.7
_MIXED = 0.5


def augmented(tensors: Sequence[Array], count: int, rng: np.random.Generator) -> list[Array]:
    """`count` samples by chance.

    Pictures are mirrored left to right half the time and cut to 0.7 to 1 of their sides, and half
    of them are mixed with another (Zhang et al., 2018, arXiv:1710.09412).

    Args:
        tensors: as a model takes them, each a batch of one; uint8 `[1, H, W, 3]` are pictures.
        count: how many to give.
        rng: what is by chance.
    """
    chosen = [tensors[int(index)] for index in rng.integers(0, len(tensors), count)]
    if not _are_pictures(chosen[0]):
        return chosen
    pictures = [_cut(picture, rng) for picture in chosen]
    for index in range(count):
        if rng.random() < _MIXED:
            other, share = pictures[int(rng.integers(count))], rng.random()
            mixed = pictures[index] * share + other * (1 - share)
            pictures[index] = np.rint(mixed).astype(np.uint8)
    return pictures


def _are_pictures(tensor: Array) -> bool:
    return tensor.dtype == np.uint8 and tensor.ndim == 4 and tensor.shape[-1] == 3


def _cut(tensor: Array, rng: np.random.Generator) -> Array:
    picture = tensor[0]
    height, width = picture.shape[:2]
    share = rng.uniform(_LEAST_SIDE, 1)
    tall, wide = max(1, round(height * share)), max(1, round(width * share))
    top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
    part = picture[top : top + tall, left : left + wide]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    resized = cv2.resize(
        np.ascontiguousarray(part), (width, height), interpolation=cv2.INTER_LINEAR
    )
    return np.asarray(resized).reshape(tensor.shape)
