"""What chance may do to samples of any kind, on a workstation and on a board."""

import numpy as np

from edgekit.array import Array
from edgekit.learning.views import Change


def gaussian_noise(deviation: float) -> Change:
    """Adds normal noise to float samples, in their own units."""

    def change(samples: Array, rng: np.random.Generator) -> Array:
        noise = rng.standard_normal(samples.shape, np.float32)
        changed: Array = samples + np.float32(deviation) * noise
        return changed

    return change


def masking_noise(share: float) -> Change:
    """Sets a share of all numbers to zero."""

    def change(samples: Array, rng: np.random.Generator) -> Array:
        return np.where(rng.random(samples.shape) < share, samples.dtype.type(0), samples)

    return change
