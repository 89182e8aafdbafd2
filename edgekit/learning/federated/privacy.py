"""Clipping, noise and randomised answers: what keeps single samples or boards from being told."""

import math
import os
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import msgspec
import numpy as np

from edgekit.array import Array
from edgekit.learning.federated.update import norm_of

_CERTAIN_DEVIATIONS = 8.0
"""Beyond so many a normal number is with a probability of 1e-15."""


class Randomness(Protocol):
    """What noise is made of: NumPy's generator where it is to repeat, else `SecretRandomness`."""

    def random(self, size: int, /) -> Array:
        """Numbers from 0 to 1, float64 `[size]`, all equally likely."""

    def standard_normal(self, size: int, /) -> Array:
        """Normal numbers, float64 `[size]`."""


class SecretRandomness:
    """The operating system's randomness, which nobody can compute from what was drawn before.

    NumPy's generators are not made for secrets: who learns some of their output may learn the rest.

    Args:
        random_bytes: gives so many bytes that nobody can guess.
    """

    def __init__(self, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._bytes = random_bytes

    def random(self, size: int, /) -> Array:
        """See `Randomness`; never 0 or 1: 2^-53 away at least."""
        bits = np.frombuffer(self._bytes(8 * size), np.uint64) >> np.uint64(12)
        found: Array = (bits + 0.5) * 2.0**-52  # exact: 53 bits hold a half beside 52
        return found

    def standard_normal(self, size: int, /) -> Array:
        """See `Randomness`. Box and Muller, 1958."""
        radius = np.sqrt(-2 * np.log(self.random(size)))
        found: Array = radius * np.cos(2 * np.pi * self.random(size))
        return found


class NoiseOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a board is to do to its change before anybody else sees it.

    Attributes:
        kind: `distributed`: a share of the noise of a sum that only secure aggregation shows;
            `local`: all of the noise, whoever may see the change.
        longest: the norm that the change is clipped to, S; above 0.
        noise: the noise multiplier z, of the sum or of this change; 0 or above.
        sharers: how many boards at least the sum is of; 1 for `local`.
    """

    kind: Literal["distributed", "local"]
    longest: float
    noise: float
    sharers: int = 1

    def __post_init__(self) -> None:
        if not (0 < self.longest < math.inf and 0 <= self.noise < math.inf):
            raise ValueError("longest must be above 0, noise not below, both finite")
        if self.sharers < 1 or (self.kind == "local" and self.sharers != 1):
            raise ValueError("sharers must be 1 at least, and 1 for local noise")

    @property
    def deviation(self) -> float:
        """Of the noise that one board adds to each number: z S / sqrt(sharers)."""
        return self.noise * self.longest / math.sqrt(self.sharers)

    @property
    def largest(self) -> float:
        """What no number of a noised change exceeds, but so seldom that nobody can tell."""
        return self.longest + _CERTAIN_DEVIATIONS * self.deviation


def clipped(change: Mapping[str, Array], longest: float) -> dict[str, Array]:
    """A change, shortened to a norm of at most `longest`; its direction stays.

    Args:
        change: float32 arrays by name.
        longest: above 0.
    """
    norm = norm_of(change)
    if norm <= longest:
        return dict(change)
    factor = np.float32(longest / norm * (1 - 1e-6))  # rounding to float32 must not lengthen it
    return {name: array * factor for name, array in change.items()}


def with_gaussian_noise(
    change: Mapping[str, Array], deviation: float, rng: Randomness
) -> dict[str, Array]:
    """A change with normal noise on every number. Dwork and Roth, 2014, section 3.5.2 and A.

    Args:
        change: clipped before.
        deviation: of the noise, the noise multiplier times the clipping norm.
        rng: of the noise; one that nobody can guess where privacy counts.
    """
    noised = {}
    for name in sorted(change):
        drawn = rng.standard_normal(change[name].size).reshape(change[name].shape)
        noised[name] = (change[name] + deviation * drawn).astype(np.float32)
    return noised


def protected(
    change: Mapping[str, Array], order: NoiseOrder, rng: Randomness | None = None
) -> dict[str, Array]:
    """A change as its board may send it: clipped, with the noise that was ordered.

    Args:
        change: float32 arrays by name.
        order: what the coordinator asks for.
        rng: of the noise; `SecretRandomness` where left out.

    Returns:
        float32 arrays. With `distributed` noise call this before the change is quantised; where the
        sum is one of integers, `protected_integers` says more exactly what it holds.
    """
    shortened = clipped(change, order.longest)
    return with_gaussian_noise(shortened, order.deviation, rng or SecretRandomness())


def protected_integers(
    change: Mapping[str, Array], order: NoiseOrder, *, step: float, rng: Randomness | None = None
) -> dict[str, Array]:
    """As `protected`, in whole steps, with discrete Gaussian noise: for sums of integers.

    Rounding to steps may lengthen a change by half a step times the root of how many numbers there
    are; the noise grows as much, so that z is what it was. A sum of discrete Gaussians is not one
    exactly, but as good as one from a deviation of a few steps a board (Kairouz et al., 2021,
    arXiv:2102.06387, theorem 1).

    Args:
        change: float32 arrays by name.
        order: what the coordinator asks for.
        step: what 1 stands for.
        rng: of the noise; `SecretRandomness` where left out.

    Returns:
        int64 arrays, not yet reduced to any ring.
    """
    drawn_from = rng or SecretRandomness()
    shortened = clipped(change, order.longest)
    size = sum(array.size for array in shortened.values())
    grown = 1 + step * math.sqrt(size) / (2 * order.longest)
    deviation = order.deviation * grown / step
    noised = {}
    for name in sorted(shortened):
        whole = np.rint(shortened[name].astype(np.float64) / step).astype(np.int64)
        noise = discrete_gaussian(deviation, whole.size, drawn_from).reshape(whole.shape)
        noised[name] = whole + noise
    return noised


def discrete_gaussian(deviation: float, size: int, rng: Randomness) -> Array:
    """Whole numbers k with a probability in proportion to exp(-k^2 / (2 deviation^2)).

    Canonne, Kamath and Steinke, 2020, arXiv:2004.00010, algorithm 3: draws from a discrete Laplace
    distribution, some of which are thrown away. The chances are computed in float64.

    Args:
        deviation: 0 or above; close to the standard deviation from 1 on.
        size: how many.
        rng: of the draws.

    Returns:
        int64 `[size]`.
    """
    found = np.zeros(size, np.int64)
    missing = np.arange(size if deviation > 0 else 0)
    scale = math.floor(deviation) + 1
    while len(missing):
        count = len(missing)
        below = [np.floor(np.log1p(-rng.random(count)) * -scale) for _ in range(2)]
        drawn = below[0] - below[1]
        distance = np.abs(drawn) - deviation**2 / scale
        kept = rng.random(count) < np.exp(-np.square(distance) / (2 * deviation**2))
        found[missing[kept]] = drawn[kept]
        missing = missing[~kept]
    return found


def randomised_response(
    labels: Array, classes: int, epsilon: float, rng: np.random.Generator
) -> Array:
    """Labels of which each is true with a probability of e^epsilon / (e^epsilon + classes - 1).

    Else it is any other with equal probability, which is epsilon-locally private. Warner, 1965;
    Kairouz et al., 2016, arXiv:1602.07387.

    Args:
        labels: int64 `[N]`, from 0.
        classes: how many there are, 2 at least.
        epsilon: above 0.
        rng: one that nobody can guess where privacy counts.
    """
    is_true = rng.random(labels.shape) < _truth(classes, epsilon)
    others = (labels + rng.integers(1, classes, labels.shape)) % classes
    return np.where(is_true, labels, others)


def estimated_counts(answers: Array, classes: int, epsilon: float) -> Array:
    """How often each class was there before `randomised_response`, float64 `[classes]`; no bias."""
    return counts_before(np.bincount(answers, minlength=classes), epsilon)


def private_counts(labels: Array, classes: int, epsilon: float, rng: np.random.Generator) -> Array:
    """How often each class is among randomised answers: what a board may tell of its labels.

    Epsilon is that of one sample's label, for a single answer; the number of samples is told as it
    is. A board that reports each round keeps the answers of each sample, or counts epsilon anew
    each time.

    Args:
        labels: int64 `[N]`, from 0.
        classes: how many there are, 2 at least.
        epsilon: above 0.
        rng: one that nobody can guess where privacy counts.

    Returns:
        int64 `[classes]`, which `counts_before` makes an estimate of.
    """
    return np.bincount(randomised_response(labels, classes, epsilon, rng), minlength=classes)


def counts_before(told: Array, epsilon: float) -> Array:
    """How often each class was there before `private_counts`, float64; no bias.

    Args:
        told: what a board told, or a sum over boards, `[classes]`; or one row each.
        epsilon: as theirs.

    Returns:
        As `told`; some may be below 0.
    """
    classes = told.shape[-1]
    truth = _truth(classes, epsilon)
    lie = (1 - truth) / (classes - 1)
    found: Array = (told - told.sum(axis=-1, keepdims=True) * lie) / (truth - lie)
    return found


def _truth(classes: int, epsilon: float) -> float:
    return 1 / (1 + (classes - 1) * math.exp(-epsilon))
