"""A board's half of the homomorphic alternative: vectors encrypted so that only sums are opened.

CKKS (Cheon et al., 2017, ASIACRYPT) by TenSEAL, for additions alone. Vectors become whole numbers
as in `secure.fixed_point`, and what is opened is rounded to whole numbers: the noise of CKKS is
gone from it, so sums are exact, and the noise tells nothing of the key (Li and Micciancio, 2021).
"""

import struct
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import msgspec
import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.federated.secure import messages
from edgekit.learning.federated.secure.fixed_point import quantised
from edgekit.learning.federated.secure.refusal import MessageRefused
from edgekit.learning.federated.secure.settings import SecureSettings, check_settings

DEGREE = 4096
MODULUS_BITS = (54, 54)  # 108 of the 109 that 128 bits of security leave at this degree
SCALE = 2.0**21
SLOTS = DEGREE // 2
MOST_BOARDS = 1000
_NOISE = 0.25
_SEAL = bytes.fromhex("5ea1100403020000")  # SEAL 4, compressed by Zstandard
_Part = Annotated[bytes, msgspec.Meta(min_length=1, max_length=100_000)]
_Parts = Annotated[tuple[_Part, ...], msgspec.Meta(max_length=200_000)]


class Encrypted(messages.Message, frozen=True, kw_only=True, tag="encrypted"):
    """From a board: its part of the sum, in ciphertexts of 2,048 numbers each."""

    parts: _Parts


class EncryptedSum(messages.Message, frozen=True, kw_only=True, tag="encrypted-sum"):
    """To a holder of the secret key: the sum of all that came."""

    parts: _Parts


class OpenedSum(messages.Message, frozen=True, kw_only=True, tag="opened-sum"):
    """From a holder of the secret key.

    Attributes:
        whole: the sum, int64, little-endian.
        samples: of all boards in it.
        boards: how many they are.
    """

    whole: bytes
    samples: int
    boards: int


@dataclass(frozen=True)
class HeKeys:
    """Both halves of a fleet's key.

    Attributes:
        secret: for whoever opens sums, and may encrypt; never for the coordinator.
        public: for boards that only encrypt.
    """

    secret: bytes
    public: bytes


def make_keys() -> HeKeys:
    """Fresh keys; whoever makes them hands them to the boards, past the coordinator.

    Raises:
        InputError: TenSEAL is missing.
    """
    context = new_context()
    return HeKeys(*(_serialized(context, secret=secret, public=True) for secret in (True, False)))


class HeBoard:
    """A board, or a holder of the key that has no vector of its own.

    Args:
        me: its name.
        settings: of the sum, with words of 32 bits.
        key: the public one to encrypt, the secret one to encrypt and open.

    Raises:
        InputError: the settings do not fit, the key is none, or TenSEAL is missing.
    """

    def __init__(self, me: str, settings: SecureSettings, key: bytes) -> None:
        check_he_settings(settings)
        self._me, self._settings = me, settings
        tenseal = tenseal_library()
        try:
            self._context = tenseal.context_from(key)
        except Exception as error:  # TenSEAL raises whatever SEAL and protobuf do
            raise InputError("homomorphic encryption: the key is damaged or none") from error
        self._context.global_scale = SCALE

    def encrypt(self, vector: Array, samples: int = 1) -> bytes:
        """This board's part of the sum, for the coordinator.

        Args:
            vector: float `[size]`, for each of the samples.
            samples: how often it counts.

        Raises:
            InputError: the vector or the samples are not as the settings say.
        """
        whole = np.append(quantised(vector, samples, self._settings), 1).astype(np.float64)
        tenseal = tenseal_library()
        parts = tuple(
            bytes(tenseal.ckks_vector(self._context, part).serialize())
            for part in np.split(whole, range(SLOTS, len(whole), SLOTS))
        )
        return messages.encode(
            Encrypted(session=self._settings.session, board=self._me, parts=parts)
        )

    def open(self, message: bytes) -> bytes:
        """The sum, for the coordinator; each board in it was counted by itself.

        Raises:
            MessageRefused: it is no sum, of too few boards, or noisier than sums are.
            InputError: the key is not the secret one.
        """
        settings, who = self._settings, messages.COORDINATOR
        if not self._context.is_private():
            raise InputError("homomorphic encryption: the public key opens nothing")
        asked = messages.decode(
            message, EncryptedSum, session=settings.session, board=self._me, sender=who
        )
        found = self._decrypted(asked.parts)
        whole = np.rint(found)
        if not np.abs(found - whole).max() < _NOISE:
            raise MessageRefused(who, "it is no sum of whole numbers")
        samples, boards = int(whole[-2]), int(whole[-1])
        if not settings.least <= boards <= settings.boards:
            raise MessageRefused(
                who, f"a sum of {boards} boards is not of {settings.least} at least"
            )
        return messages.encode(
            OpenedSum(
                session=settings.session,
                board=self._me,
                whole=whole[:-2].astype("<i8").tobytes(),
                samples=samples,
                boards=boards,
            )
        )

    def _decrypted(self, parts: tuple[bytes, ...]) -> Array:
        counts = numbers_of_parts(self._settings)
        if len(parts) != len(counts):
            raise MessageRefused(messages.COORDINATOR, f"{len(parts)} ciphertexts are no sum")
        tenseal, found = tenseal_library(), []
        for part, count in zip(parts, counts, strict=True):
            try:
                check_ciphertext(part, count)
                found.append(tenseal.ckks_vector_from(self._context, part).decrypt())
            except Exception as error:  # TenSEAL raises whatever SEAL and protobuf do
                raise MessageRefused(messages.COORDINATOR, f"a ciphertext: {error}") from error
        return np.concatenate(found)


def check_he_settings(settings: SecureSettings) -> None:
    """Says whether CKKS, with our parameters, gives a sum of these settings exactly.

    Raises:
        InputError: it does not.
    """
    check_settings(settings)
    if settings.word != 32 or settings.boards * settings.samples >= 2**31:
        raise InputError("homomorphic encryption: sums must stay below 2^31: words of 32 bits")
    if settings.boards > MOST_BOARDS:
        raise InputError(
            f"homomorphic encryption: the noise of {settings.boards} boards is too much"
        )


def check_ciphertext(part: bytes, numbers: int) -> None:
    """Says whether bytes have the form of one ciphertext of this many numbers, at our scale.

    TenSEAL believes what they say of themselves, and reads where nothing is.

    Raises:
        InputError: they have not.
    """
    size = _varint(numbers)
    tail = b"\x19" + struct.pack("<d", SCALE)
    head = b"\x0a" + _varint(len(size)) + size + b"\x12"
    body = part[len(head) : -len(tail)]
    seal = body[3:]  # behind the length, which is of three bytes: 16 kB to 2 MB
    if not (
        part.startswith(head)
        and part.endswith(tail)
        and body.startswith(_varint(len(seal)) + _SEAL)
        and int.from_bytes(seal[8:16], "little") == len(seal)
    ):
        raise InputError(f"it has not the form of a ciphertext of {numbers} numbers")


def numbers_of_parts(settings: SecureSettings) -> list[int]:
    """How many numbers each ciphertext of a vector has: it, its samples, and a 1 for its board."""
    whole = settings.size + 2
    return [min(SLOTS, whole - start) for start in range(0, whole, SLOTS)]


def new_context() -> Any:
    """A context of our parameters, with fresh keys."""
    tenseal = tenseal_library()
    context = tenseal.context(
        tenseal.SCHEME_TYPE.CKKS, DEGREE, coeff_mod_bit_sizes=list(MODULUS_BITS)
    )
    context.global_scale = SCALE
    return context


def context_without_keys() -> bytes:
    """What the coordinator needs to add: the parameters."""
    return _serialized(new_context(), secret=False, public=False)


def tenseal_library() -> Any:
    """TenSEAL.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module("tenseal")
    except ImportError as error:
        raise InputError(
            "homomorphic encryption needs TenSEAL: pip install 'edgekit[he]'"
        ) from error


def _varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def _serialized(context: Any, *, secret: bool, public: bool) -> bytes:
    return bytes(
        context.serialize(
            save_public_key=public,
            save_secret_key=secret,
            save_galois_keys=False,
            save_relin_keys=False,
        )
    )
