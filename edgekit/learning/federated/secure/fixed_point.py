"""Vectors as whole numbers modulo 2^32 or 2^64, so that sums are exact and masks hide all of it."""

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.federated.secure.settings import SecureSettings


def words(settings: SecureSettings) -> np.dtype[np.unsignedinteger]:
    """How a number lies in memory and on the wire."""
    return np.dtype(f"<u{settings.word // 8}")


def quantised(vector: Array, samples: int, settings: SecureSettings) -> Array:
    """A board's part of the sum: its weighted numbers, and the count of its samples at the end.

    Args:
        vector: float `[size]`, finite.
        samples: from 1 to the most that is allowed.
        settings: of the sum.

    Returns:
        int64 `[size + 1]`.

    Raises:
        InputError: the vector has another size or is not finite, or the samples are too many.
    """
    if vector.shape != (settings.size,):
        raise InputError(f"a vector {list(vector.shape)} is not [{settings.size}]")
    if not 1 <= samples <= settings.samples:
        raise InputError(f"{samples} samples are not in 1..{settings.samples}")
    if not np.isfinite(vector).all():
        raise InputError("the vector holds NaN or infinity")
    cut = np.clip(vector.astype(np.float64), -settings.largest, settings.largest)
    share = samples / settings.samples * settings.most / settings.largest
    whole = np.rint(cut * share).clip(-settings.most, settings.most)
    return np.append(whole.astype(np.int64), np.int64(samples))


def as_words(whole: Array, settings: SecureSettings) -> Array:
    """Whole numbers, int64, modulo 2^word."""
    return whole.astype(np.int64).astype(words(settings))


def is_possible(whole: Array, samples: int, boards: int, settings: SecureSettings) -> bool:
    """Whether vectors within the settings can add up to this.

    Args:
        whole: int64 `[size]`, any.
        samples: what all of them count.
        boards: whose vectors are in it.
        settings: of the sum.
    """
    # No absolute values: that of -2^63 is below 0.
    furthest = max(int(whole.max()), -int(whole.min()))
    return furthest <= boards * settings.most and boards <= samples <= boards * settings.samples


def whole_of(total: Array, settings: SecureSettings) -> tuple[Array, int]:
    """The sum as int64 `[size]`, and the count of samples, from words `[size + 1]`."""
    signed = total[:-1].astype(np.dtype(f"<i{settings.word // 8}"))
    return signed.astype(np.int64), int(total[-1])
