"""The coordinator's half of the homomorphic alternative: it adds ciphertexts, and holds no key.

TenSEAL 0.3 ends the process on some damaged ciphertexts, so all of them are read and added in a
child process; a board whose message ends that one is refused.
"""

import hashlib
import multiprocessing
from collections.abc import Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import Any

import numpy as np

from edgekit.errors import InputError
from edgekit.federated.model import RoundFailed
from edgekit.federated.secure.server import SecureSum
from edgekit.learning.federated.he import (
    Encrypted,
    EncryptedSum,
    OpenedSum,
    check_ciphertext,
    check_he_settings,
    context_without_keys,
    new_context,
    numbers_of_parts,
    tenseal_library,
)
from edgekit.learning.federated.secure import messages
from edgekit.learning.federated.secure.fixed_point import is_possible
from edgekit.learning.federated.secure.refusal import MessageRefused
from edgekit.learning.federated.secure.settings import SecureSettings


class HeServer:
    """Adds what boards encrypted. Close it, or use it in a `with`: it keeps a child process.

    Args:
        settings: of the sum, with words of 32 bits.
        invited: who may take part; `None` for anybody, as many as the settings say.

    Raises:
        InputError: the settings do not fit, or TenSEAL is missing.
    """

    def __init__(self, settings: SecureSettings, *, invited: Collection[str] | None = None) -> None:
        check_he_settings(settings)
        tenseal_library()
        self._settings, self._counts = settings, numbers_of_parts(settings)
        self._invited = None if invited is None else frozenset(invited)
        self._seen: dict[str, bytes] = {}
        self._total: list[bytes] = []
        self._closed = False
        self._child = _new_child()

    def __enter__(self) -> "HeServer":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child process."""
        self._child.shutdown(cancel_futures=True)

    @property
    def boards(self) -> frozenset[str]:
        """Whose vectors are in the sum so far."""
        return frozenset(self._seen)

    def add(self, board: str, message: bytes) -> None:
        """Adds a board's ciphertexts; the same message again changes nothing.

        Args:
            board: who sent it, as the broker says.
            message: as it came.

        Raises:
            MessageRefused: it is wrong, late, forged, or another than the first.
        """
        digest = hashlib.sha256(message).digest()
        if (seen := self._seen.get(board)) is not None:
            if seen != digest:
                raise MessageRefused(board, "it sent another vector before")
            return
        if self._closed:
            raise MessageRefused(board, "it is late: the sum is made")
        if self._invited is not None and board not in self._invited:
            raise MessageRefused(board, "the board is not invited")
        if len(self._seen) >= self._settings.boards:
            raise MessageRefused(board, f"{self._settings.boards} boards take part already")
        parts = messages.decode(
            message, Encrypted, session=self._settings.session, board=board, sender=board
        ).parts
        if len(parts) != len(self._counts):
            raise MessageRefused(board, f"{len(parts)} ciphertexts are not as many as are due")
        try:
            self._total = self._child.submit(
                add_ciphertexts, self._total, parts, self._counts
            ).result()
        except BrokenProcessPool as error:
            self.close()
            self._child = _new_child()
            raise MessageRefused(
                board, "its ciphertexts end the process that reads them"
            ) from error
        except InputError as error:
            raise MessageRefused(board, str(error)) from error
        self._seen[board] = digest

    def total(self, holder: str) -> bytes:
        """The encrypted sum, for a holder of the secret key; nothing is added from then on.

        Raises:
            RoundFailed: too few boards are in it.
        """
        if len(self._seen) < self._settings.least:
            raise RoundFailed(
                f"homomorphic encryption: {len(self._seen)} vectors came, the sum needs "
                f"{self._settings.least}"
            )
        self._closed = True
        return messages.encode(
            EncryptedSum(session=self._settings.session, board=holder, parts=tuple(self._total))
        )

    def result(self, holder: str, message: bytes) -> SecureSum:
        """The sum as the holder of the key opened it.

        Args:
            holder: who sent it, as the broker says.
            message: as it came.

        Raises:
            MessageRefused: it cannot be the sum of what came.
        """
        settings = self._settings
        opened = messages.decode(
            message, OpenedSum, session=settings.session, board=holder, sender=holder
        )
        if len(opened.whole) != 8 * settings.size:
            raise MessageRefused(holder, f"{len(opened.whole)} bytes are no sum")
        whole = np.frombuffer(opened.whole, "<i8")
        count = len(self._seen)
        if opened.boards != count:
            raise MessageRefused(holder, f"it is of {opened.boards} boards, {count} took part")
        if not is_possible(whole, opened.samples, count, settings):
            raise MessageRefused(holder, "the sum is none of vectors within the settings")
        return SecureSum(whole * settings.step, opened.samples, self.boards, whole)


def _new_child() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def add_ciphertexts(
    total: Sequence[bytes], parts: Sequence[bytes], counts: Sequence[int]
) -> list[bytes]:
    """Both sums, part by part; the parts alone where there is no total yet.

    Args:
        total: what was added so far; empty before the first.
        parts: what to add. Some damage in it may end this process.
        counts: how many numbers each part has.

    Raises:
        InputError: a part is damaged.
    """
    found = []
    for place, (part, count) in enumerate(zip(parts, counts, strict=True)):
        check_ciphertext(part, count)
        vector = _vector(part)
        _sum_of(_reference(count), vector)  # what fits no other must not be the first
        added = _sum_of(_vector(total[place]), vector) if total else vector
        found.append(bytes(added.serialize()))
    return found


def _vector(part: bytes) -> Any:
    try:
        return tenseal_library().ckks_vector_from(_context(), part)
    except Exception as error:  # TenSEAL raises whatever SEAL and protobuf do
        raise InputError(f"a ciphertext is damaged: {error}") from error


def _sum_of(one: Any, other: Any) -> Any:
    try:
        return one + other
    except Exception as error:  # as above
        raise InputError(f"a ciphertext is of other parameters: {error}") from error


@cache
def _reference(count: int) -> Any:
    """A ciphertext as they should be, of a key that nobody keeps."""
    made = tenseal_library().ckks_vector(new_context(), [0.0] * count)
    return _vector(bytes(made.serialize()))


@cache
def _context() -> Any:
    return tenseal_library().context_from(context_without_keys())
