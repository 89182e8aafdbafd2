"""Secrets of 32 bytes in shares, of which some give it back and fewer say nothing.

Shamir, 1979, over the integers modulo 2^256 + 297, the first prime above 2^256: every 32 bytes are
a secret, with all their entropy.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import prod

from edgekit.errors import InputError

PRIME = 2**256 + 297
SECRET_BYTES = 32
SHARE_BYTES = 33


def split(
    secret: bytes, threshold: int, count: int, random_bytes: Callable[[int], bytes]
) -> list[bytes]:
    """The shares at the points 1 to `count`, 33 bytes each.

    Args:
        secret: 32 bytes.
        threshold: how many shares give it back.
        count: how many shares there are.
        random_bytes: gives so many bytes that nobody can guess.
    """
    # Twice the bytes of the prime: what the remainder prefers is below 2^-255.
    others = [int.from_bytes(random_bytes(64)) % PRIME for _ in range(threshold - 1)]
    coefficients = [*others, int.from_bytes(secret)]
    shares = []
    for point in range(1, count + 1):
        value = 0
        for coefficient in coefficients:
            value = (value * point + coefficient) % PRIME
        shares.append(value.to_bytes(SHARE_BYTES))
    return shares


def combined(shares: Mapping[int, bytes]) -> bytes:
    """The secret, from as many shares by their points as the threshold was.

    Raises:
        InputError: these are no shares of one secret.
    """
    points = tuple(sorted(shares))
    numbers = [int.from_bytes(shares[point]) for point in points]
    if any(number >= PRIME for number in numbers):
        raise InputError("a share is no number of the field")
    value = sum(w * n for w, n in zip(_weights(points), numbers, strict=True)) % PRIME
    if value >= 2**256:
        raise InputError("the shares are of no secret")
    return value.to_bytes(SECRET_BYTES)


@lru_cache(maxsize=64)
def _weights(points: Sequence[int]) -> tuple[int, ...]:
    """Lagrange's weights at 0."""
    found = []
    for point in points:
        others = [other for other in points if other != point]
        over, under = prod(others), prod(other - point for other in others)
        found.append(over * pow(under, -1, PRIME) % PRIME)
    return tuple(found)
