"""Finds which samples several boards have in common, by keyed ids or by time."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError

KEY_BYTES = 16
_SHORTEST_SECRET = 16


def read_secret(path: Path) -> bytes:
    """What the boards of a job share: all of a file but the white space around it.

    Raises:
        InputError: it cannot be read, or has fewer than 16 bytes.
    """
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if len(secret) < _SHORTEST_SECRET:
        advice = f"make it with: (umask 077; head -c 32 /dev/urandom | base64 > {path})"
        raise InputError(f"{path}: shorter than {_SHORTEST_SECRET} bytes; {advice}")
    return secret


def keyed(ids: Sequence[str], secret: bytes) -> list[bytes]:
    """Ids as HMAC-SHA256 (RFC 2104), 16 bytes each.

    They hide ids from who lacks the secret, such as a broker. Whoever has it can try ids.

    Raises:
        InputError: an id is there twice.
    """
    found = [hmac.digest(secret, one.encode(), hashlib.sha256)[:KEY_BYTES] for one in ids]
    if len(set(found)) != len(found):
        twice = next(one for one in ids if list(ids).count(one) > 1)
        raise InputError(f"the sample {twice!r} is there twice; ids have to be one a sample")
    return found


def timed(times_ms: Sequence[int], period_ms: int, secret: bytes) -> list[bytes | None]:
    """Times as keys: of those that fall into one period, the first; `None` for the others.

    Boards whose clocks differ by much less than half a period, and that sample near the middle of
    it, find each other.

    Args:
        times_ms: when each sample was taken, in milliseconds since 1970 UTC.
        period_ms: how long samples count as simultaneous, above 0.
        secret: see `keyed`.
    """
    seen: set[int] = set()
    found: list[bytes | None] = []
    for time_ms in times_ms:
        period = time_ms // period_ms
        is_new = period not in seen
        seen.add(period)
        found.append(keyed([str(period)], secret)[0] if is_new else None)
    return found


def common_rows(keys: Mapping[str, Sequence[bytes | None]], first: str) -> dict[str, Array]:
    """Which rows of each board are of the same samples, in the order of the first board's.

    Args:
        keys: of each board's samples, in its own order; `None` is no key.
        first: whose order is kept.

    Returns:
        int64 `[common]` by board.

    Raises:
        InputError: a board has a key twice, or nothing is common to all.
    """
    places: dict[str, dict[bytes, int]] = {}
    for name, own in keys.items():
        places[name] = {key: row for row, key in enumerate(own) if key is not None}
        if len(places[name]) != sum(key is not None for key in own):
            raise InputError(f"{name} has a sample twice")
    shared = [key for key in places[first] if all(key in own for own in places.values())]
    if not shared:
        raise InputError(f"{', '.join(sorted(keys))} have no sample in common")
    return {name: np.array([own[key] for key in shared], np.int64) for name, own in places.items()}
