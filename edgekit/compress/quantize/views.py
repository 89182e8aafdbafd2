"""More of what a network sees, out of few pictures: what weights are fitted to."""

from collections.abc import Sequence

import numpy as np

from edgekit.array import Array
from edgekit.train.data.augment import Augment

_CHANGE = Augment(flip=True, crop=0.5)


def further_views(tensors: Sequence[Array], count: int, *, seed: int) -> list[Array]:
    """Each picture `count` times more, by chance mirrored and cut; nothing of other samples.

    Args:
        tensors: as a model takes them, each a batch of one; uint8 `[1, H, W, 3]` are pictures.
        count: of further views of each.
        seed: of what is by chance.
    """
    rng = np.random.default_rng(seed)
    pictures = [tensor for tensor in tensors if _is_picture(tensor)]
    return [_CHANGE.changed(picture[0], rng)[np.newaxis] for picture in pictures * count]


def _is_picture(tensor: Array) -> bool:
    return tensor.dtype == np.uint8 and tensor.ndim == 4 and tensor.shape[-1] == 3
