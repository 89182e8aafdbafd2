from collections.abc import Iterable
from dataclasses import replace

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.learning.federated import Limits, Update, UpdateRefused, check_update
from edgekit.learning.federated.codecs import codec_of
from edgekit.learning.federated.framing import (
    Chunk,
    Reassembly,
    chunked,
    decode_chunk,
    decode_update,
    encode_update,
)
from edgekit.learning.federated.privacy import (
    SecretRandomness,
    clipped,
    estimated_counts,
    randomised_response,
    with_gaussian_noise,
)
from edgekit.learning.federated.update import norm_of
from tests.architecture.test_wall import BEYOND, modules_after

SHAPES = {"w": (3, 2), "b": (2,)}
LIMITS = Limits(SHAPES, version=4, longest=10.0, samples=1000, epochs=2)


def update(**changed: object) -> Update:
    change = {"w": np.arange(6, dtype=np.float32).reshape(3, 2), "b": np.ones(2, np.float32)}
    return replace(Update("kitchen", 4, 20, 3, change), **changed)


def with_change(**arrays: object) -> Update:
    return update(change=dict(update().change) | arrays)


def test_an_update_comes_back_as_it_was_sent() -> None:
    sent = update(control=update().change)
    got = decode_update(encode_update(sent, codec_of("float32")), SHAPES)
    assert (got.client, got.version, got.samples, got.steps) == ("kitchen", 4, 20, 3)
    for name in SHAPES:
        assert got.change[name].tobytes() == sent.change[name].tobytes()
        assert got.control[name].tobytes() == sent.control[name].tobytes()
    check_update(got, LIMITS)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (update(version=3), "version 3, not 4"),
        (update(samples=0), "0 samples"),
        (update(samples=10**9), "1000000000 samples"),
        (update(steps=0), "0 steps"),
        (update(steps=41), "41 steps are more than it has samples in 2 epochs"),
        (update(steps=10**5000), "more than can be"),
        (update(version=-(10**5000)), "below 0"),
        (update(samples=10**5000), "more than can be"),
        (update(change={"w": update().change["w"]}), "'b' is missing"),
        (with_change(more=np.ones(1, np.float32)), "no 'more'"),
        (with_change(b=np.ones(3, np.float32)), r"'b' is \[3\], not \[2\]"),
        (with_change(b=np.ones(2)), "float64"),
        (with_change(b=np.array([1, np.nan], np.float32)), "'b' holds NaN"),
        (with_change(b=np.array([1, np.inf], np.float32)), "'b' holds NaN or infinity"),
        (with_change(b=np.array([1, 1e6], np.float32)), "norm 1e\\+06 is above 10"),
        (update(control={"w": np.ones(1, np.float32)}), "control"),
    ],
)
def test_an_update_that_cannot_be_is_refused_and_named(wrong: Update, why: str) -> None:
    with pytest.raises(UpdateRefused, match=why) as refused:
        check_update(wrong, LIMITS)
    assert refused.value.client == "kitchen"


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(InputError):
        decode_update(data, SHAPES)


ANYTHING = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.binary(max_size=40) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(
    st.sampled_from(["schema", "client", "version", "samples", "steps", "codec", "change"]),
    ANYTHING,
)
@settings(max_examples=300, deadline=None)
def test_a_field_of_another_kind_is_refused_or_read(key: str, value: object) -> None:
    message = cbor2.loads(encode_update(update(), codec_of("float32")))
    message[key] = value
    try:
        got = decode_update(cbor2.dumps(message), SHAPES)
    except InputError:
        return
    assert type(got.client) is str
    assert all(type(number) is int for number in (got.version, got.samples, got.steps))
    assert all(np.isfinite(array).all() for array in got.change.values())


@given(st.binary(max_size=2000), st.integers(64, 700), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_chunks_come_together_in_any_order_and_twice(data: bytes, limit: int, rng) -> None:
    chunks = chunked(data, limit)
    assert all(len(chunk) <= limit for chunk in chunks)
    held, message = Reassembly(4000), None
    order = [*chunks, *rng.sample(chunks, k=len(chunks) // 2)]
    rng.shuffle(order)
    for number, chunk in enumerate(order):
        message = held.add(decode_chunk(chunk))
        missing = {decode_chunk(c).number for c in chunks} - {
            decode_chunk(c).number for c in order[: number + 1]
        }
        assert set(held.missing) == missing
    assert message == data


def add_all(held: Reassembly, chunks: Iterable[Chunk]) -> bytes | None:
    return [held.add(chunk) for chunk in chunks][-1]


def test_chunks_of_another_message_too_many_bytes_and_damage_are_refused() -> None:
    first, second = (chunked(bytes([fill]) * 100, 80) for fill in (1, 2))
    held = Reassembly(200)
    held.add(decode_chunk(first[0]))
    with pytest.raises(InputError, match="another message"):
        held.add(decode_chunk(second[1]))
    small = Reassembly(50)
    with pytest.raises(InputError, match="larger than 50 bytes"):
        add_all(small, map(decode_chunk, first))
    rest = [decode_chunk(chunk) for chunk in first[1:]]
    damaged = replace(rest[0], data=b"x" * len(rest[0].data))
    with pytest.raises(InputError, match="damaged"):
        add_all(held, [damaged, *rest[1:]])
    assert add_all(held, map(decode_chunk, first)) == b"\1" * 100


def test_a_chunk_that_claims_to_be_one_of_billions_costs_nothing() -> None:
    with pytest.raises(InputError, match="larger"):
        Reassembly(1000).add(Chunk(b"x" * 16, 0, 10**9, b""))


def test_chunks_of_next_to_nothing_never_hold_more_memory_than_a_message_may() -> None:
    held = Reassembly(1_000_000)
    with pytest.raises(InputError, match="larger"):
        held.add(Chunk(b"x" * 16, 0, 100_000, b"x"))
    assert held.missing == ()


@given(st.binary(max_size=100))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_chunk_or_refused(data: bytes) -> None:
    try:
        chunk = decode_chunk(data)
    except InputError:
        return
    assert 0 <= chunk.number < chunk.total


@given(st.floats(1e-3, 1e3), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_a_clipped_change_is_never_longer_and_points_the_same_way(
    longest: float, seed: int
) -> None:
    change = {"a": np.random.default_rng(seed).normal(size=20).astype(np.float32)}
    found = clipped(change, longest)
    assert norm_of(found) <= longest
    assert norm_of(found) >= min(longest, norm_of(change)) * (1 - 1e-5)
    assert np.allclose(found["a"] / norm_of(found), change["a"] / norm_of(change), atol=1e-5)


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    zero = {"a": np.zeros(200_000, np.float32)}
    found = with_gaussian_noise(zero, 0.7, np.random.default_rng(0))["a"]
    assert abs(found.std() - 0.7) < 0.005
    assert abs(found.mean()) < 0.005


def test_secret_randomness_never_gives_0_or_1_whatever_bits_come() -> None:
    for fill in (b"\0", b"\xff"):
        rng = SecretRandomness(lambda count, fill=fill: fill * count)
        assert (rng.random(3) > 0).all()
        assert (rng.random(3) < 1).all()
        assert np.isfinite(rng.standard_normal(3)).all()


def test_randomised_answers_are_private_and_their_counts_unbiased() -> None:
    rng, epsilon = np.random.default_rng(0), 1.0
    labels = np.repeat(np.arange(4), [100_000, 60_000, 30_000, 10_000])
    answers = randomised_response(labels, 4, epsilon, rng)
    told = np.bincount(answers[:100_000], minlength=4) / 100_000
    assert abs(told[0] / told[1:].mean() - np.exp(epsilon)) < 0.05
    estimated = estimated_counts(answers, 4, epsilon)
    assert np.abs(estimated - np.bincount(labels)).max() < 2500
    assert abs(estimated.sum() - len(labels)) < 1e-6


def test_a_board_that_learns_with_others_imports_no_workstation_library() -> None:
    loaded = modules_after(
        "import edgekit.learning.federated, edgekit.learning.federated.framing, "
        "edgekit.learning.federated.codecs, edgekit.learning.federated.privacy"
    )
    assert not loaded & set(BEYOND)
