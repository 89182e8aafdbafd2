"""From the values that an activation takes to the scale and zero point that stand for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from edgekit.array import Array

Calibrator = Literal["mse", "min-max", "percentile", "entropy"]

CALIBRATORS: tuple[Calibrator, ...] = ("min-max", "percentile", "mse")

LEVELS = 255
_KEPT = 2048
"""How many values of one tensor are kept of each sample, besides its extremes."""
_BINS = 2048
_PERCENTILE = 99.99
_SHRINKS = np.geomspace(1.0, 0.3, 40)


@dataclass(frozen=True)
class Scale:
    """How uint8 stands for real numbers: ``real = scale * (integer - zero_point)``."""

    scale: float
    zero_point: int

    def holds(self, seen: "Observed") -> bool:
        """Whether all that was seen is less than an integer beyond the ends."""
        lowest, highest = -self.zero_point - 1, LEVELS - self.zero_point + 1
        return lowest * self.scale < seen.low and seen.high < highest * self.scale + 1e-9

    def is_within(self, low: float, high: float) -> bool:
        """Whether clamping to a range leaves all 256 integers as they are."""
        lowest, highest = np.rint(np.array([low, high]) / self.scale) + self.zero_point
        return bool(lowest <= 0 and highest >= LEVELS)


@dataclass
class Observed:
    """Values that a tensor took: its extremes, and some of the others by chance."""

    low: float = 0.0
    high: float = 0.0
    values: list[Array] = field(default_factory=list)

    def add(self, tensor: Array, rng: np.random.Generator) -> None:
        """Takes in what the tensor was for one sample."""
        flat = tensor.reshape(-1)
        self.low = min(self.low, float(flat.min()))
        self.high = max(self.high, float(flat.max()))
        if flat.size > _KEPT:
            flat = flat[rng.integers(0, flat.size, _KEPT)]
        self.values.append(flat.astype(np.float32))


def scale_for(parts: Sequence[Observed], calibrator: Calibrator) -> Scale:
    """One scale for tensors that have to share it.

    `min-max` covers all that was seen, `percentile` all but 0.01 %, `mse` has the least squared
    error (the clipped part included), and `entropy` loses the least information by the histogram
    (Migacz, 2017, 8-bit inference with TensorRT).
    """
    low, high = min(part.low for part in parts), max(part.high for part in parts)
    if low == high:
        return Scale(1.0, 0)
    if calibrator == "min-max":
        return _scale(low, high)
    values = np.concatenate([value for part in parts for value in part.values])
    if not values.any():  # all but extremes that chance left out
        return _scale(low, high)
    return _scale(*_CLIPPED[calibrator](values, low, high))


def _scale(low: float, high: float) -> Scale:
    """Zero is always exactly an integer, so that padding and ReLU are exact."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / LEVELS, 1e-12)
    return Scale(scale, int(np.clip(np.rint(-low / scale), 0, LEVELS)))


def _least_squares(values: Array, low: float, high: float) -> tuple[float, float]:
    def error(share: float) -> float:
        scale = _scale(low * share, high * share)
        levels = np.clip(np.rint(values / scale.scale) + scale.zero_point, 0, LEVELS)
        distance = (levels - scale.zero_point) * scale.scale - values
        return float(np.mean(distance * distance))

    best = min(_SHRINKS, key=error)
    return low * best, high * best


def _percentile(values: Array, low: float, high: float) -> tuple[float, float]:
    rest = 100 - _PERCENTILE
    bottom, top = np.percentile(values, [rest, _PERCENTILE])
    return max(low, float(min(bottom, 0))), min(high, float(max(top, 0)))


def _entropy(values: Array, low: float, high: float) -> tuple[float, float]:
    """Chooses the clip whose 256 levels keep the histogram most like itself.

    Without the zeros that a ReLU leaves: they are exact whatever the clip is, and a bin that holds
    half of all values would outweigh all others.
    """
    reach = max(-low, high)
    counts, _ = np.histogram(np.abs(values[values != 0]), bins=_BINS, range=(0, reach))
    levels = LEVELS + 1 if low == 0 else (LEVELS + 1) // 2
    best, least = _BINS, np.inf
    for kept in range(levels, _BINS + 1, 16):
        reference = counts[:kept].astype(np.float64)
        reference[-1] += counts[kept:].sum()
        level = np.arange(kept) * levels // kept
        sums = np.bincount(level, counts[:kept], minlength=levels)
        filled = np.bincount(level, counts[:kept] > 0, minlength=levels)
        spread = np.where(counts[:kept] > 0, (sums / np.maximum(filled, 1))[level], 0.0)
        seen = reference > 0
        p, q = reference[seen] / reference.sum(), spread[seen] / max(spread.sum(), 1e-12)
        divergence = float(np.sum(p * np.log(p / np.maximum(q, 1e-12))))
        if divergence < least:
            best, least = kept, divergence
    clip = reach * best / _BINS
    return max(low, -clip), min(high, clip)


_CLIPPED: Mapping[Calibrator, Callable[[Array, float, float], tuple[float, float]]] = {
    "mse": _least_squares,
    "percentile": _percentile,
    "entropy": _entropy,
}
