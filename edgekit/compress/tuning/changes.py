"""What chance does to the samples that tuning learns from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.train.data.augment import Augment

Change = Callable[[Array, np.random.Generator], Array] | None
"""From a batch `[N, ...]` as the model takes it to one like it; `None` leaves it as it is."""

_COLOURS = (1, 3)


def augmenting(augment: Augment, samples: Sequence[Array]) -> Change:
    """What augments samples, where they have the shape of grey or RGB pictures; else nothing.

    Args:
        augment: what may be done to a picture.
        samples: each a batch of one; the least of their numbers is black, the greatest white.
    """
    shape = samples[0].shape
    if len(shape) != 4 or not {*_COLOURS} & {shape[1], shape[3]}:
        return None
    low, high = min(float(s.min()) for s in samples), max(float(s.max()) for s in samples)
    return _Augmented(augment, low, max(high, low + 1e-12))


def mixing(before: Change) -> Change:
    """What mixes each sample with another of its batch. Zhang et al., 2018, arXiv:1710.09412.

    Right where a teacher is asked about the mixture, as in Beyer et al., 2022, arXiv:2106.05237.
    """

    def mixed(batch: Array, rng: np.random.Generator) -> Array:
        if before is not None:
            batch = before(batch, rng)
        shares = rng.uniform(0, 1, (len(batch), *[1] * (batch.ndim - 1))).astype(np.float32)
        both = shares * batch + (1 - shares) * batch[rng.permutation(len(batch))]
        return (np.rint(both) if batch.dtype.kind in "iu" else both).astype(batch.dtype)

    return mixed


@dataclass(frozen=True)
class _Augmented:
    """Changes pictures that lie in tensors, whatever their layout and range."""

    augment: Augment
    low: float
    high: float

    def __call__(self, batch: Array, rng: np.random.Generator) -> Array:
        is_first = batch.shape[3] not in _COLOURS
        pictures = np.moveaxis(batch, 1, 3) if is_first else batch
        changed = np.stack([self._changed(picture, rng) for picture in pictures])
        return np.ascontiguousarray(np.moveaxis(changed, 3, 1) if is_first else changed)

    def _changed(self, picture: Array, rng: np.random.Generator) -> Array:
        """One picture `[H, W, C]`, by way of the uint8 RGB that `Augment` takes."""
        is_pixels = picture.dtype == np.uint8
        low, span = (0.0, 255.0) if is_pixels else (self.low, self.high - self.low)
        pixels = np.clip(np.rint((picture - low) * (255 / span)), 0, 255).astype(np.uint8)
        colours = np.ascontiguousarray(np.broadcast_to(pixels, (*picture.shape[:2], 3)))
        changed = self.augment.changed(colours, rng)[:, :, : picture.shape[2]]
        scaled: Array = (low + changed * (span / 255)).astype(picture.dtype)
        return scaled
