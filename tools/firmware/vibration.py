"""The signal that the example firmware samples, number by number: `vibration.c` in Python."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array

UNITS = 1024
RATE_HZ = 1000
COLUMNS = ("x", "y", "z")

_ALL = 0xFFFFFFFF
_KNOCK_EVERY = 9
_KNOCK = 1400
_QUARTER = (0, 100, 200, 297, 392, 483, 569, 650, 724, 792, 851, 903, 946, 980, 1004, 1019, 1024)


def _phase(millihertz: int) -> int:
    return millihertz * 2**32 // 1_000_000


def _sine(phase: int) -> int:
    step = (phase & _ALL) >> 26
    within = step & 15
    value = _QUARTER[16 - within] if step & 16 else _QUARTER[within]
    return -value if step & 32 else value


def _divided(number: int, by: int) -> int:
    """As C divides: towards zero."""
    return -(-number // by) if number < 0 else number // by


@dataclass
class Vibration:
    """A machine that turns at 29.4 Hz; `fault_left` is for how many samples its bearing knocks."""

    turn: int = 0
    mesh: int = 0
    ring: int = 0
    noise: int = 2463534242
    fault_left: int = 0
    knock_in: int = 0
    knock: int = 0

    def next(self) -> tuple[int, int, int]:
        """The next sample, in 1024ths of a g."""
        self.turn += _phase(29_400)
        self.mesh += _phase(157_300)
        self.ring += _phase(321_700)
        self.knock -= _divided(self.knock, 4)
        if self.fault_left:
            self.fault_left -= 1
            if self.knock_in == 0:
                self.knock_in, self.knock = _KNOCK_EVERY, _KNOCK
            self.knock_in -= 1
        x, y, z = (self._axis(axis) for axis in range(len(COLUMNS)))
        return x, y, z

    def rows(self, count: int) -> Array:
        """The next samples in g, float64 `[count, 3]`."""
        return np.array([self.next() for _ in range(count)]) / UNITS

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        while True:
            yield self.next()

    def _axis(self, axis: int) -> int:
        value = _divided(_sine(self.turn + axis * 0x40000000), 2)
        value += _divided(_sine(self.mesh + axis * 0x20000000), 8)
        value += _divided(self.knock * _sine(self.ring + axis * 0x10000000), 1024)
        return value + self._noise()

    def _noise(self) -> int:
        word = self.noise
        word ^= word << 13 & _ALL
        word ^= word >> 17
        word ^= word << 5 & _ALL
        self.noise = word
        return _divided(sum(word.to_bytes(4, "little")) - 510, 8)
