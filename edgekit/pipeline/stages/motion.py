"""Holds pictures back while nothing moves in them."""

import math

import numpy as np

from edgekit.array import Array
from edgekit.pipeline.parts import Sample

_BLOCKS = 32
_ROUNDS = 2
_DARK, _BRIGHT = 4.0, 251.0
_SCENE = 0.8


class Motion:
    """A gate that opens when the picture differs from what was long there.

    Pictures are compared as small grey ones, the means of blocks, with a background that adapts
    slowly. A block moves where it differs by more than `threshold`, after a change of the light
    that all blocks share (brightness and contrast) is taken out. The first picture passes, and so
    does the first of another scene: where nearly all blocks move they are the background next.
    """

    def __init__(
        self,
        *,
        threshold: float = 8.0,
        min_area: float = 0.005,
        hold_s: float = 2.0,
        adapt_s: float = 30.0,
    ) -> None:
        """Makes the gate.

        Args:
            threshold: by how many grey levels of 255 a block has to differ.
            min_area: the share of the picture's blocks that has to move.
            hold_s: how long the gate stays open after the last motion.
            adapt_s: in what time a change that stays becomes background (to 63 %).
        """
        self._threshold = threshold
        self._min_area = min_area
        self._hold_ns = hold_s * 1e9
        self._adapt_ns = adapt_s * 1e9
        self._background: Array | None = None
        self._seen_at_ns = 0
        self._open_until_ns = -math.inf

    def push(self, sample: Sample, /) -> Sample | None:
        """The picture uint8 `[height, width, 3]` while something moves; else releases it."""
        now_ns = sample.taken_at_ns
        if self._sees_motion(small_grey(sample.data), now_ns):
            self._open_until_ns = now_ns + self._hold_ns
            return sample
        if now_ns <= self._open_until_ns:
            return sample
        sample.release()
        return None

    def reset(self) -> None:
        """Changes nothing: the scene is still there after a picture that could not be read."""

    def _sees_motion(self, grey: Array, now_ns: int) -> bool:
        background = self._background
        if background is None or background.shape != grey.shape:
            self._background, self._seen_at_ns = grey, now_ns
            return True
        expected, difference = background, grey - np.clip(background, 0, 255)
        if np.abs(difference).max() > self._threshold / 2:  # else it is noise, and the light steady
            expected = relit(background, grey)
            difference = grey - np.clip(expected, 0, 255)
        share = 1 - math.exp(-max(0, now_ns - self._seen_at_ns) / self._adapt_ns)
        self._background, self._seen_at_ns = expected + share * difference, now_ns
        moving = int(np.count_nonzero(np.abs(difference) > self._threshold))
        if moving > _SCENE * grey.size:
            self._background = grey
        return moving > 0 and moving >= self._min_area * grey.size


def small_grey(picture: Array) -> Array:
    """The means of a picture's blocks, 0 to 255: float32, about 32 on the shorter side.

    Args:
        picture: uint8 `[height, width, 3]`; what is left over at the right and below is ignored.
    """
    height, width, channels = picture.shape
    side = max(1, min(height, width) // _BLOCKS)
    rows, columns = height // side, width // side
    picture = picture[: rows * side, : columns * side]
    holds_a_column = np.uint16 if side <= 257 else np.uint32
    of_rows = picture.reshape(rows, side, columns * side * channels).sum(
        axis=1, dtype=holds_a_column
    )
    weights = np.full(side * channels, 1 / (side * side * channels), np.float32)
    small: Array = of_rows.reshape(rows, columns, side * channels).astype(np.float32) @ weights
    return small


def relit(background: Array, grey: Array) -> Array:
    """The background in the light of a picture: `gain * background + offset`, not clipped.

    Both are fitted to the blocks that agree best, so that what moves has no say, and neither
    has what is black or white out; that comes back when the light does.

    Args:
        background: float32 `[rows, columns]`.
        grey: float32 `[rows, columns]`, 0 to 255.
    """
    usable = (grey > _DARK) & (grey < _BRIGHT)
    if np.count_nonzero(usable) <= grey.size // 4:
        return background
    x, y = background[usable], grey[usable]
    gain, offset = 1.0, _middle(y - x)
    for _ in range(_ROUNDS):
        error = np.abs(y - (gain * x + offset))
        agree = error <= max(1.0, 2.0 * _middle(error))
        near_x, near_y = x[agree], y[agree]
        mean_x, mean_y = float(near_x.mean()), float(near_y.mean())
        spread = float(np.square(near_x - mean_x).mean())
        if spread > 4.0:
            covariance = float(((near_x - mean_x) * (near_y - mean_y)).mean())
            gain = min(2.5, max(0.4, covariance / spread))
        offset = mean_y - gain * mean_x
    fitted: Array = gain * background + np.float32(offset)
    return fitted


def _middle(values: Array) -> float:
    """The upper median; `np.median` takes several times as long for so few values."""
    half = values.size // 2
    return float(np.partition(values, half)[half])
