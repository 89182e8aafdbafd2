"""Gives secrets back from shares, although some of those who hold them may lie."""

import random
from collections.abc import Callable, Mapping

from edgekit.errors import InputError
from edgekit.learning.federated.secure.shamir import combined

TRIES = 200


def recovered(
    shares: Mapping[int, bytes],
    threshold: int,
    is_right: Callable[[bytes], bool],
    *,
    suspects: frozenset[int] = frozenset(),
) -> tuple[bytes, frozenset[int]] | None:
    """The secret, and whose share was not of it.

    Tries the first shares, then others by chance: a few liars are got round where more than
    `threshold` shares are there.

    Args:
        shares: by their points.
        threshold: how many give the secret back.
        is_right: tells the secret from others.
        suspects: points that lied before: they are taken last.

    Returns:
        `None` where no choice of shares gives a right secret.
    """
    points = sorted(shares, key=lambda point: (point in suspects, point))
    if len(points) < threshold:
        return None
    # The choice needs no secret dice: which shares are tried tells nothing.
    rng, chosen = random.Random(0), points[:threshold]
    for _ in range(TRIES if len(points) > threshold else 1):
        secret = _secret({point: shares[point] for point in chosen}, is_right)
        if secret is not None:
            if chosen == points[:threshold]:
                return secret, frozenset()
            return secret, _liars(shares, chosen, secret, is_right)
        chosen = sorted(rng.sample(points, threshold))
    return None


def _secret(shares: Mapping[int, bytes], is_right: Callable[[bytes], bool]) -> bytes | None:
    try:
        secret = combined(shares)
    except InputError:
        return None
    return secret if is_right(secret) else None


def _liars(
    shares: Mapping[int, bytes], good: list[int], secret: bytes, is_right: Callable[[bytes], bool]
) -> frozenset[int]:
    """Points whose share, put in the place of a good one, gives no right secret."""
    rest = good[1:]
    return frozenset(
        point
        for point in shares.keys() - set(good)
        if _secret({other: shares[other] for other in (*rest, point)}, is_right) is None
    )
