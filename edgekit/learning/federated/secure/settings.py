"""What all sides of one secure sum agree on before it begins."""

import hashlib
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from edgekit.errors import InputError
from edgekit.learning.federated.framing import dumped, loaded_map

PHASES = ("advertise", "share", "mask", "unmask")
"""The four rounds of Bonawitz et al., 2017, in their order."""

SESSION_BYTES = 16
_EXACT = 2**52
_Whole = Annotated[int, msgspec.Meta(ge=1, le=2**40)]


class SecureSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One secure sum: of which vectors, among how many boards, and who must be left.

    A number x of a board with w samples becomes the whole number rint(w x / step), of at most
    `most`. `boards` times `most` is below 2^(word - 1), and `boards` times `samples` below 2^word:
    the sum modulo 2^word is the sum.

    Attributes:
        session: names this sum alone; never use one twice.
        size: how many numbers a vector has.
        boards: how many take part at most.
        least: of how many boards the sum must be.
        degree: with how many others a board shares masks; `boards` - 1 for all.
        threshold: how many shares give a secret back, of `degree` + 1 at most; more than half.
        largest: the largest absolute value of a number, such as the norm that changes are clipped
            to; what is beyond is cut to it.
        samples: the most that a board may count; 1 where all boards weigh the same.
        word: bits of a number on the wire.
    """

    session: Annotated[bytes, msgspec.Meta(min_length=SESSION_BYTES, max_length=SESSION_BYTES)]
    size: Annotated[int, msgspec.Meta(ge=1, le=2**28)]
    boards: Annotated[int, msgspec.Meta(ge=2, le=100_000)]
    least: _Whole
    degree: _Whole
    threshold: _Whole
    largest: Annotated[float, msgspec.Meta(gt=0, le=1e12)]
    samples: _Whole
    word: Literal[32, 64]

    @property
    def most(self) -> int:
        """The largest whole number that a board's part of the sum has."""
        return most_of(self.boards, self.word)

    @property
    def step(self) -> float:
        """The difference of two weighted numbers that are next to each other."""
        return self.largest * self.samples / self.most

    @property
    def vector_bytes(self) -> int:
        """How long a masked vector is: its numbers, and the count of samples."""
        return (self.size + 1) * self.word // 8


def most_of(boards: int, word: int) -> int:
    """The largest whole number of which `boards` add up below 2^(word - 1), 2^52 at most."""
    return min(((1 << (word - 1)) - 1) // boards, _EXACT)


def check_settings(settings: SecureSettings) -> None:
    """Says whether the settings are safe: whoever gave them, a board asks this first.

    Raises:
        InputError: they are not; the text says which.
    """
    holders = settings.degree + 1
    if settings.boards < 2:
        raise _wrong("a sum of one board hides nothing")
    if holders > settings.boards:
        raise _wrong(f"{settings.degree} others are more than {settings.boards} boards have")
    if not holders < 2 * settings.threshold <= 2 * holders:
        raise _wrong(f"a threshold of {settings.threshold} is not more than half of {holders}")
    if not settings.boards < 2 * settings.least <= 2 * settings.boards:
        raise _wrong(f"a sum of {settings.least} is not of more than half of {settings.boards}")
    if settings.boards * settings.samples >= 2**settings.word:
        raise _wrong(
            f"{settings.boards} boards with {settings.samples} samples overflow "
            f"{settings.word} bits"
        )
    if settings.most < 1:
        raise _wrong(f"{settings.word} bits hold no sum of {settings.boards} boards")


def encode_settings(settings: SecureSettings) -> bytes:
    """The settings as CBOR."""
    return dumped(msgspec.to_builtins(settings, builtin_types=(bytes,)))


@lru_cache(maxsize=8)
def salt_of(settings: SecureSettings) -> bytes:
    """What keys are made with: boards that were given other settings share no masks."""
    return hashlib.sha256(encode_settings(settings)).digest()


def decode_settings(message: bytes) -> SecureSettings:
    """The settings in some bytes, checked.

    Raises:
        InputError: these are none, or they are not safe.
    """
    try:
        settings = msgspec.convert(loaded_map(message), SecureSettings, builtin_types=(bytes,))
    except (msgspec.ValidationError, RecursionError) as error:
        raise _wrong(str(error)) from error
    if encode_settings(settings) != message:
        raise _wrong("they hold more than is known")
    check_settings(settings)
    return settings


def _wrong(why: str) -> InputError:
    return InputError(f"secure aggregation: settings: {why}")
