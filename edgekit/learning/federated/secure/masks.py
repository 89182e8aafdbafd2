"""The masks that a board adds to its vector: one with each neighbour, and one of its own."""

import numpy as np

from edgekit.array import Array
from edgekit.learning.federated.secure.fixed_point import words
from edgekit.learning.federated.secure.primitives import KeyPair, derived, stream
from edgekit.learning.federated.secure.settings import SecureSettings, salt_of


def own_mask(seed: bytes, settings: SecureSettings) -> Array:
    """What a board adds by its seed, words `[size + 1]`."""
    return _words(derived(seed, "own mask", salt_of(settings)), settings)


def pair_mask(me: str, keys: KeyPair, other: str, public: bytes, settings: SecureSettings) -> Array:
    """What a board adds for a neighbour, words `[size + 1]`; the neighbour adds what cancels it.

    Args:
        me: whose keys these are.
        keys: for masks.
        other: the neighbour.
        public: the neighbour's key for masks.
        settings: of the sum.

    Raises:
        InputError: the public key is no good point.
    """
    first, second = sorted((me, other))
    key = derived(
        keys.agreed(public), "pair mask", salt_of(settings), first.encode(), second.encode()
    )
    mask = _words(key, settings)
    return mask if me == first else np.negative(mask)


def proof_of(seed: bytes, settings: SecureSettings) -> bytes:
    """What tells a right seed from a wrong one, and nothing of its mask."""
    return derived(seed, "proof", salt_of(settings))


def _words(key: bytes, settings: SecureSettings) -> Array:
    return np.frombuffer(stream(key, settings.vector_bytes), words(settings))
