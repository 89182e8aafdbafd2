"""How far the clients of a round are from seeing the same world."""

from collections.abc import Sequence

import numpy as np

from edgekit.array import Array
from edgekit.learning.federated.update import Update, as_vector


def label_skew(counts: Array) -> float:
    """The mean total variation distance between a client's classes and those of all together.

    0: all see the same shares; towards 1: no client sees what others see.

    Args:
        counts: how often each client has each class, `[clients, classes]`; no row is all zero.
    """
    shares = counts / counts.sum(axis=1, keepdims=True)
    overall = counts.sum(axis=0) / counts.sum()
    return float(np.abs(shares - overall).sum(axis=1).mean() / 2)


def update_divergence(updates: Sequence[Update]) -> float:
    """The mean distance of the changes from their mean, in lengths of the mean change.

    0: all boards went the same way. Infinite where the mean is zero and the changes are not.
    """
    mean = np.zeros(0)
    for update in updates:
        vector = as_vector(update.change).astype(np.float64)
        mean = vector if not mean.size else mean + vector
    mean = mean / len(updates)
    apart = [float(np.linalg.norm(as_vector(update.change) - mean)) for update in updates]
    length, distance = float(np.linalg.norm(mean)), float(np.mean(apart))
    if length == 0:
        return np.inf if distance else 0.0
    return distance / length
