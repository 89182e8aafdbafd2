"""Which boards a rollout is for: an expression over their labels, and the order of their turns."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgekit.errors import InputError

_FORM = "write it as site=north,kind!=jetson,outdoor"


@dataclass(frozen=True)
class Condition:
    """What one label has to be.

    Attributes:
        label: its name.
        values: what it may be; empty asks only whether it is there.
        holds: whether it has to be so, or must not be.
    """

    label: str
    values: tuple[str, ...]
    holds: bool

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether a board's labels meet it; a label that is not there has no value."""
        value = labels.get(self.label)
        found = value is not None if not self.values else value in self.values
        return found is self.holds


@dataclass(frozen=True)
class Selector:
    """Boards by their labels; all of the conditions have to hold."""

    conditions: tuple[Condition, ...] = ()

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether a board is meant."""
        return all(condition.fits(labels) for condition in self.conditions)


def read_selector(text: str) -> Selector:
    """Reads an expression: `site=north|south` and `kind!=jetson` and `outdoor` and `!spare`.

    Args:
        text: conditions with commas between; empty is every board.

    Raises:
        InputError: it cannot be read.
    """
    if not text.strip():
        return Selector()
    return Selector(tuple(_condition(part.strip(), text) for part in text.split(",")))


def _condition(part: str, text: str) -> Condition:
    label, equals, values = part.partition("=")
    holds = True
    if equals and label.endswith("!"):
        label, holds = label[:-1], False
    elif not equals and label.startswith("!"):
        label, holds = label[1:], False
    label = label.strip()
    found = tuple(value.strip() for value in values.split("|")) if equals else ()
    if not label or "!" in label or "=" in values or not all(found):
        raise InputError(f"the group {text!r}: {part!r} is no condition; {_FORM}")
    return Condition(label, found, holds)


def in_turn(boards: Iterable[str], seed: str) -> tuple[str, ...]:
    """The boards in an order that looks random and is the same for the same seed.

    A board's place depends on its own name and the seed alone, so that one more or less in a fleet
    leaves the others in their order.
    """

    def place(board: str) -> bytes:
        return hashlib.sha256(f"{seed}\0{board}".encode(errors="surrogatepass")).digest()

    return tuple(sorted(set(boards), key=place))


def read_waves(text: str, count: int) -> tuple[int, ...]:
    """How many boards may have begun by the end of each wave.

    Args:
        text: shares or numbers with commas between, each of all boards from the first on:
            `1%,10%,100%`, `1,20,all`.
        count: how many boards there are.

    Raises:
        InputError: it cannot be read, or a wave is not larger than the one before.
    """
    sizes: list[int] = []
    shares: list[float] = []
    for part in text.split(","):
        size = _size(part.strip(), count, text)
        share = size / count
        if shares and share < shares[-1]:
            raise InputError(
                f"the waves {text!r}: each counts all boards so far, so {part.strip()!r} cannot "
                "follow a larger one"
            )
        shares.append(share)
        if not sizes or size > sizes[-1]:  # in a small fleet 1 % and 10 % are the same board
            sizes.append(size)
    return tuple(sizes)


def _size(part: str, count: int, text: str) -> int:
    if part == "all":
        return count
    number = part.removesuffix("%")
    if not number.replace(".", "", 1).isdecimal() or not number.isascii():
        raise InputError(f"the waves {text!r}: {part!r} is no share or number; like 1%,10%,100%")
    if part == number:
        if "." in number or int(number) < 1:
            raise InputError(f"the waves {text!r}: {part!r} is no number of boards; from 1 on")
        return min(count, int(number))
    if not 0 < float(number) <= 100:
        raise InputError(f"the waves {text!r}: {part!r} is not above 0 and up to 100 %")
    return max(1, min(count, -int(-count * float(number) // 100)))
