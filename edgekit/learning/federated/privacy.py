"""Clipping, noise and randomised answers: what keeps single samples or boards from being told."""

import math
from collections.abc import Mapping

import numpy as np

from edgekit.array import Array
from edgekit.learning.federated.update import norm_of


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
    change: Mapping[str, Array], deviation: float, rng: np.random.Generator
) -> dict[str, Array]:
    """A change with normal noise on every number. Dwork and Roth, 2014, section 3.5.2 and A.

    Args:
        change: clipped before.
        deviation: of the noise, the noise multiplier times the clipping norm.
        rng: of the noise; one that nobody can guess where privacy counts.
    """
    return {
        name: (change[name] + deviation * rng.standard_normal(change[name].shape)).astype(
            np.float32
        )
        for name in sorted(change)
    }


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
    truth = _truth(classes, epsilon)
    lie = (1 - truth) / (classes - 1)
    counted = np.bincount(answers, minlength=classes)
    found: Array = (counted - len(answers) * lie) / (truth - lie)
    return found


def _truth(classes: int, epsilon: float) -> float:
    return 1 / (1 + (classes - 1) * math.exp(-epsilon))
