"""How numbers travel: float32, float16, int8 a tensor, the largest few alone, and what changed.

Each codec turns a vector into bytes and back, knows no names and no shapes but the sizes of the
tensors in it, and may be put into another. Both ends must use the same one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.federated.rice import packed_places, unpacked_places


class Codec(Protocol):
    """Turns float32 vectors into bytes and back."""

    @property
    def name(self) -> str:
        """What `codec_of` makes it from."""
        ...

    def encode(self, vector: Array, sizes: Sequence[int]) -> bytes:
        """The bytes of a finite float32 `[sum(sizes)]`, tensor after tensor."""
        ...

    def decode(self, data: bytes, sizes: Sequence[int]) -> Array:
        """The vector, perhaps coarser, float32.

        Raises:
            InputError: these are no bytes of such a vector.
        """
        ...


@dataclass(frozen=True)
class Float32:
    """The numbers as they are, little-endian."""

    name: str = "float32"

    def encode(self, vector: Array, sizes: Sequence[int]) -> bytes:
        """See `Codec`."""
        return vector.astype("<f4").tobytes()

    def decode(self, data: bytes, sizes: Sequence[int]) -> Array:
        """See `Codec`."""
        return _finite(_read(data, "<f4", sum(sizes)))


@dataclass(frozen=True)
class Float16:
    """Half the bytes, 11 bits of each number; what is beyond 65,504 becomes that."""

    name: str = "float16"

    def encode(self, vector: Array, sizes: Sequence[int]) -> bytes:
        """See `Codec`."""
        most = np.finfo(np.float16).max
        return np.clip(vector, -most, most).astype("<f2").tobytes()

    def decode(self, data: bytes, sizes: Sequence[int]) -> Array:
        """See `Codec`."""
        return _finite(_read(data, "<f2", sum(sizes)))


@dataclass(frozen=True)
class Int8:
    """A byte each, and for each tensor the step between two numbers, its largest over 127.

    Attributes:
        most: the largest whole number.
    """

    name: str = "int8"
    most: int = 127

    def encode(self, vector: Array, sizes: Sequence[int]) -> bytes:
        """See `Codec`."""
        scales, whole = [], []
        for part in _parts(vector, sizes):
            scale = np.float32(np.abs(part).max(initial=0.0) / np.float32(self.most))
            scales.append(scale)
            divided = part / scale if scale > 0 else np.zeros_like(part)
            whole.append(np.clip(np.rint(divided), -self.most, self.most).astype(np.int8))
        return np.array(scales, "<f4").tobytes() + self._packed(np.concatenate(whole))

    def decode(self, data: bytes, sizes: Sequence[int]) -> Array:
        """See `Codec`."""
        start = 4 * len(sizes)
        scales = _finite(_read(data[:start], "<f4", len(sizes)))
        if (scales < 0).any():
            raise InputError(f"{self.name}: the step between two numbers is below 0")
        whole = self._unpacked(data[start:], sum(sizes))
        return _finite(whole.astype(np.float32) * np.repeat(scales, sizes))

    def _packed(self, whole: Array) -> bytes:
        return whole.tobytes()

    def _unpacked(self, data: bytes, count: int) -> Array:
        return _read(data, np.int8, count)


@dataclass(frozen=True)
class Int4(Int8):
    """Half a byte each, -7 to 7, else as `Int8`: for the few values of `TopK`."""

    name: str = "int4"
    most: int = 7

    def _packed(self, whole: Array) -> bytes:
        nibbles = np.append(whole, np.zeros(len(whole) % 2, np.int8)).astype(np.uint8) & 0x0F
        return (nibbles[::2] | nibbles[1::2] << 4).tobytes()

    def _unpacked(self, data: bytes, count: int) -> Array:
        pairs = _read(data, np.uint8, -(-count // 2))
        nibbles = np.stack([pairs & 0x0F, pairs >> 4], axis=1).reshape(-1)[:count]
        return (nibbles.astype(np.int8) ^ 8) - np.int8(8)


@dataclass(frozen=True)
class TopK:
    """The largest numbers alone; the others are 0. Aji and Heafield, 2017, arXiv:1704.05021.

    Use it with `with_feedback`, or small numbers never arrive.

    Attributes:
        share: of all numbers that travels, above 0, at most 1; at least one number does.
        inner: how their values travel.
    """

    share: float
    inner: Codec

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InputError(f"top-k: a share of {self.share} is not above 0 and at most 1")

    @property
    def name(self) -> str:
        """See `Codec`."""
        return f"top-k:{float(self.share)!r}+{self.inner.name}"

    def encode(self, vector: Array, sizes: Sequence[int]) -> bytes:
        """See `Codec`."""
        count = self._count(sizes)
        places = np.sort(np.argpartition(-np.abs(vector), count - 1)[:count])
        return packed_places(places, len(vector)) + self.inner.encode(vector[places], [count])

    def decode(self, data: bytes, sizes: Sequence[int]) -> Array:
        """See `Codec`."""
        count = self._count(sizes)
        places, used = unpacked_places(data, count, sum(sizes))
        vector = np.zeros(sum(sizes), np.float32)
        vector[places] = self.inner.decode(data[used:], [count])
        return vector

    def _count(self, sizes: Sequence[int]) -> int:
        return max(1, round(self.share * sum(sizes)))


@dataclass(frozen=True, eq=False)
class DeltaFrom:
    """What changed since a vector that both ends have, such as the last global parameters.

    Attributes:
        base: float32, that vector.
        inner: how the difference travels.
    """

    base: Array
    inner: Codec

    @property
    def name(self) -> str:
        """See `Codec`."""
        return f"delta+{self.inner.name}"

    def encode(self, vector: Array, sizes: Sequence[int]) -> bytes:
        """See `Codec`."""
        return self.inner.encode(vector - self.base, sizes)

    def decode(self, data: bytes, sizes: Sequence[int]) -> Array:
        """See `Codec`."""
        return _finite(self.base + self.inner.decode(data, sizes))


def with_feedback(
    codec: Codec, vector: Array, sizes: Sequence[int], residual: Array | None
) -> tuple[bytes, Array]:
    """Encodes a vector and what was lost before; what is lost now is for the next time.

    Seide et al., 2014; Stich et al., 2018, arXiv:1809.07599.

    Args:
        codec: that loses something.
        vector: float32.
        sizes: of its tensors.
        residual: what this function gave the last time; `None` the first time.

    Returns:
        The bytes, and the residual to keep.
    """
    wanted = vector if residual is None else vector + residual
    data = codec.encode(wanted, sizes)
    return data, wanted - codec.decode(data, sizes)


_PLAIN: Mapping[str, Codec] = {one.name: one for one in (Float32(), Float16(), Int8(), Int4())}


def codec_of(text: str) -> Codec:
    """The codec of a name, such as `float32`, `int8`, `top-k:0.05` or `top-k:0.05+int8`.

    Raises:
        InputError: there is no such codec.
    """
    outer, _, inner = text.partition("+")
    if outer in _PLAIN and not inner:
        return _PLAIN[outer]
    kind, _, share = outer.partition(":")
    if kind == "top-k" and (inner or "float32") in _PLAIN:
        try:
            return TopK(float(share), _PLAIN[inner or "float32"])
        except ValueError:
            pass
    raise InputError(
        f"there is no codec {text[:60]!r}; use {', '.join(_PLAIN)}, or one of them after "
        "top-k:SHARE+"
    )


def _parts(vector: Array, sizes: Sequence[int]) -> list[Array]:
    return np.split(vector, np.cumsum(sizes)[:-1])


def _read(data: bytes, dtype: str | type, count: int) -> Array:
    if len(data) != count * np.dtype(dtype).itemsize:
        raise InputError(f"{len(data)} bytes are not {count} numbers of {np.dtype(dtype)}")
    return np.frombuffer(data, dtype)


def _finite(vector: Array) -> Array:
    found = vector.astype(np.float32)
    if not np.isfinite(found).all():
        raise InputError("a number is NaN or infinite")
    return found
