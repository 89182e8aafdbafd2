"""Whole numbers, seven bits a byte, the lowest first (LEB128): small ones take one byte."""

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError


def packed_numbers(numbers: Array) -> bytes:
    """The bytes of numbers from 0."""
    found = bytearray()
    for number in numbers.tolist():
        while number > 0x7F:
            found.append(number & 0x7F | 0x80)
            number >>= 7
        found.append(number)
    return bytes(found)


def unpacked_numbers(data: bytes, count: int, *, below: int) -> tuple[Array, int]:
    """Some numbers, int64, and how many bytes they take.

    Raises:
        InputError: the bytes end too early, or a number is not below `below`.
    """
    found, at = np.zeros(count, np.int64), 0
    for place in range(count):
        number = shift = 0
        while True:
            if at >= len(data):
                raise InputError(f"the bytes end at number {place} of {count}")
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if number >= below or shift > 63:
                raise InputError(f"number {place} is not below {below}")
            if byte < 0x80:
                break
        found[place] = number
    return found, at
