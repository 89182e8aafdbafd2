"""Shares give a secret back where there are enough, and say nothing where there are not."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.learning.federated.secure.shamir import PRIME, combined, split


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.integers(1, 20), st.integers(0, 10), st.randoms())
def test_any_threshold_shares_give_the_secret(
    secret: bytes, threshold: int, more: int, rng: random.Random
) -> None:
    shares = dict(enumerate(split(secret, threshold, threshold + more, rng.randbytes), 1))
    chosen = rng.sample(sorted(shares), threshold)
    assert combined({point: shares[point] for point in chosen}) == secret


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32, bytes(31) + b"\1"])
def test_secrets_at_the_ends_of_the_field_are_secrets_too(secret: bytes) -> None:
    shares = split(secret, 2, 3, random.Random(0).randbytes)
    assert combined({1: shares[0], 3: shares[2]}) == secret


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_one_share_less_fits_any_other_secret_as_well(secret: bytes, other: bytes) -> None:
    """For each secret there is a last share that gives it: the others hold no news of it."""
    shares = split(secret, 3, 3, random.Random(7).randbytes)
    first, second = (int.from_bytes(share) for share in shares[:2])
    # The weights of the points 1, 2, 3 at 0 are 3, -3, 1.
    last = (int.from_bytes(other) - 3 * first + 3 * second) % PRIME
    assert combined({1: shares[0], 2: shares[1], 3: last.to_bytes(33)}) == other


def test_the_field_is_one() -> None:
    sympy = pytest.importorskip("sympy", reason="sympy tells primes")
    assert sympy.isprime(PRIME)
    assert sympy.nextprime(2**256) == PRIME


def test_shares_beyond_the_field_are_refused() -> None:
    with pytest.raises(InputError, match="no number of the field"):
        combined({1: PRIME.to_bytes(33), 2: bytes(33)})
    with pytest.raises(InputError, match="of no secret"):
        combined({1: (2**256).to_bytes(33)})
