"""A line that damages what it carries, at stated rates: for tests, and for people without one."""

import random
from dataclasses import dataclass, field


@dataclass
class Noise:
    """Flips bits, drops, doubles, swaps and inserts bytes, each with a chance a byte.

    Attributes:
        flip: chance that one bit of a byte is turned.
        drop: chance that a byte is lost.
        double: chance that a byte comes twice.
        swap: chance that a byte changes places with the next one.
        insert: chance that some byte comes before it.
        rng: throws the dice.
        hits: how often something was done so far.
    """

    flip: float = 0.0
    drop: float = 0.0
    double: float = 0.0
    swap: float = 0.0
    insert: float = 0.0
    rng: random.Random = field(default_factory=random.Random)
    hits: int = 0

    @classmethod
    def of_all_kinds(cls, chance: float, rng: random.Random) -> "Noise":
        """Each kind with a fifth of a chance."""
        each = chance / 5
        return cls(each, each, each, each, each, rng)

    def damage(self, data: bytes) -> bytes:
        """The bytes as they arrive."""
        total = self.flip + self.drop + self.double + self.swap + self.insert
        if not total:
            return data
        came = bytearray()
        held: int | None = None
        for byte in data:
            wheel = self.rng.random()
            now = bytes([byte])
            if wheel < total:
                self.hits += 1
                if (wheel := wheel - self.flip) < 0:
                    now = bytes([byte ^ 1 << self.rng.randrange(8)])
                elif (wheel := wheel - self.drop) < 0:
                    now = b""
                elif (wheel := wheel - self.double) < 0:
                    now = bytes([byte, byte])
                elif (wheel := wheel - self.swap) < 0 and held is None:
                    held = byte
                    continue
                else:
                    now = bytes([self.rng.randrange(256), byte])
            came += now
            if held is not None:
                came.append(held)
                held = None
        if held is not None:
            came.append(held)
        return bytes(came)
