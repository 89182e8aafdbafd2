"""Gaps between few places among many, in about as many bits as there is news in them (Rice codes).

Each gap is a quotient, in as many ones and a zero, and a remainder of a fixed number of bits. All
quotients come first. Rice and Plaunt, 1971.
"""

import math

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError


def packed_places(places: Array, among: int) -> bytes:
    """The bytes of rising places, int64 from 0, one at least, below `among`."""
    bits = _remainder_bits(len(places), among)
    gaps = np.diff(places, prepend=-1) - 1
    quotients = gaps >> bits
    unary = np.ones(int(quotients.sum()) + len(gaps), np.uint8)
    unary[np.cumsum(quotients + 1) - 1] = 0
    remainders = gaps[:, np.newaxis] >> np.arange(bits) & 1
    return np.packbits(unary).tobytes() + np.packbits(remainders.astype(np.uint8)).tobytes()


def unpacked_places(data: bytes, count: int, among: int) -> tuple[Array, int]:
    """Some places, and how many bytes they take.

    Raises:
        InputError: the bytes end too early, or a place is not below `among`.
    """
    bits = _remainder_bits(count, among)
    most = -(-(count + (among >> bits)) // 8)
    unary = np.unpackbits(np.frombuffer(data[:most], np.uint8))
    ends = np.flatnonzero(unary == 0)[:count]
    if len(ends) < count:
        raise InputError(f"{len(ends)} places instead of {count}")
    quotients = np.diff(ends, prepend=-1) - 1
    start = int(ends[-1]) // 8 + 1
    end = start + -(-count * bits // 8)
    if len(data) < end:
        raise InputError("the bytes end before the places do")
    low = np.unpackbits(np.frombuffer(data[start:end], np.uint8))[: count * bits]
    remainders = (low.reshape(count, bits).astype(np.int64) << np.arange(bits)).sum(axis=1)
    places = np.cumsum((quotients << bits) + remainders + 1) - 1
    if places[-1] >= among:
        raise InputError(f"a place is beyond the last of {among}")
    return places, end


def _remainder_bits(count: int, among: int) -> int:
    """The best where places lie anywhere with equal probability, or nearly."""
    return max(0, round(math.log2(max(1.0, math.log(2) * among / count))))
