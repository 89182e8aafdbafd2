import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.federated.codecs import (
    Codec,
    DeltaFrom,
    Float16,
    Float32,
    Int4,
    Int8,
    TopK,
    codec_of,
    with_feedback,
)
from edgekit.learning.federated.rice import packed_places, unpacked_places

CODECS = [Float32(), Float16(), Int8(), Int4(), TopK(0.3, Float32()), TopK(0.2, Int4())]
by_name = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
sizes_of_tensors = st.lists(st.integers(1, 40), min_size=1, max_size=5)


@st.composite
def vectors(draw: st.DrawFn, bound: float = 1e6) -> tuple[Array, list[int]]:
    sizes = draw(sizes_of_tensors)
    elements = st.floats(-bound, bound, width=32, allow_subnormal=False)
    return draw(arrays(np.float32, sum(sizes), elements=elements)), sizes


@given(vectors())
@settings(max_examples=60, deadline=None)
def test_float32_gives_back_what_it_took(given_vector: tuple[Array, list[int]]) -> None:
    vector, sizes = given_vector
    assert Float32().decode(Float32().encode(vector, sizes), sizes).tobytes() == vector.tobytes()


@given(vectors(60000))
@settings(max_examples=60, deadline=None)
def test_float16_errs_by_half_of_its_last_bit(given_vector: tuple[Array, list[int]]) -> None:
    vector, sizes = given_vector
    found = Float16().decode(Float16().encode(vector, sizes), sizes)
    assert (np.abs(found - vector) <= np.maximum(np.abs(vector) * 2**-11, 2**-25)).all()


@pytest.mark.parametrize("codec", [Int8(), Int4()], ids=["int8", "int4"])
@given(given_vector=vectors())
@settings(max_examples=60, deadline=None)
def test_whole_numbers_err_by_half_a_step_of_their_tensor(
    codec: Int8, given_vector: tuple[Array, list[int]]
) -> None:
    vector, sizes = given_vector
    found = codec.decode(codec.encode(vector, sizes), sizes)
    for one, other in zip(
        np.split(vector, np.cumsum(sizes)[:-1]), np.split(found, np.cumsum(sizes)[:-1]), strict=True
    ):
        step = np.abs(one).max() / codec.most
        assert (np.abs(one - other) <= step * (0.5 + 1e-4) + 1e-37).all()


@given(vectors(), st.sampled_from([0.01, 0.1, 0.5, 1.0]))
@settings(max_examples=60, deadline=None)
def test_top_k_keeps_the_largest_and_no_other(
    given_vector: tuple[Array, list[int]], share: float
) -> None:
    vector, sizes = given_vector
    found = TopK(share, Float32()).decode(TopK(share, Float32()).encode(vector, sizes), sizes)
    count = max(1, round(share * len(vector)))
    kept = found != 0
    assert kept.sum() <= count
    assert (found[kept] == vector[kept]).all()
    assert np.abs(vector[~kept]).max(initial=0) <= np.sort(np.abs(vector))[-count]


@by_name
@given(given_vector=vectors(1000))
@settings(max_examples=40, deadline=None)
def test_nothing_is_lost_but_kept_for_the_next_time(
    codec: Codec, given_vector: tuple[Array, list[int]]
) -> None:
    vector, sizes = given_vector
    arrived, residual = np.zeros_like(vector), None
    for _ in range(3):
        data, residual = with_feedback(codec, vector, sizes, residual)
        arrived = arrived + codec.decode(data, sizes)
    assert residual is not None
    assert np.allclose(arrived + residual, 3 * vector, rtol=1e-4, atol=1e-2)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_places_come_back(data: st.DataObject) -> None:
    among = data.draw(st.integers(1, 3000))
    places = np.array(sorted(data.draw(st.sets(st.integers(0, among - 1), min_size=1))))
    packed = packed_places(places, among)
    found, used = unpacked_places(packed + b"more", len(places), among)
    assert found.tolist() == places.tolist()
    assert used == len(packed)


def test_places_take_few_more_bits_than_there_is_news_in_them() -> None:
    rng = np.random.default_rng(0)
    for share in (0.01, 0.05, 0.2):
        places = np.sort(rng.choice(100_000, round(share * 100_000), replace=False))
        news = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
        assert len(packed_places(places, 100_000)) * 8 <= 1.08 * news * 100_000


@pytest.mark.parametrize(
    ("text", "bytes_wanted"),
    [("float32", 9640), ("float16", 4820), ("int8", 2426), ("int4", 1221)],
)
def test_each_codec_takes_the_bytes_it_says(text: str, bytes_wanted: int) -> None:
    vector = np.random.default_rng(0).normal(size=2410).astype(np.float32)
    assert len(codec_of(text).encode(vector, [2048, 32, 320, 10])) == bytes_wanted


@by_name
@given(data=st.binary(max_size=200), sizes=sizes_of_tensors)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_finite_vector_or_refused(
    codec: Codec, data: bytes, sizes: list[int]
) -> None:
    try:
        found = codec.decode(data, sizes)
    except InputError:
        return
    assert found.shape == (sum(sizes),)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_numbers_that_are_not_finite_are_refused() -> None:
    for number in (np.nan, np.inf):
        with pytest.raises(InputError, match="NaN"):
            Float32().decode(struct.pack("<f", number), [1])
    with pytest.raises(InputError, match="NaN"):
        Int8().decode(struct.pack("<f", np.inf) + b"\1", [1])


def test_what_changed_is_enough_for_who_has_the_rest() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=50).astype(np.float32)
    vector = base.copy()
    vector[7] += 1
    codec = DeltaFrom(base, TopK(0.02, Float32()))
    data = codec.encode(vector, [50])
    assert len(data) <= 6
    assert np.allclose(codec.decode(data, [50]), vector)
    assert codec.name == "delta+top-k:0.02+float32"


@by_name
def test_a_name_makes_the_codec_again(codec: Codec) -> None:
    assert codec_of(codec.name) == codec


def test_a_share_with_many_digits_is_the_same_at_both_ends() -> None:
    codec = TopK(1 / 3, Float32())
    vector = np.arange(3_000_000, dtype=np.float32)
    found = codec_of(codec.name).decode(codec.encode(vector, [len(vector)]), [len(vector)])
    assert np.count_nonzero(found) == 1_000_000


@pytest.mark.parametrize(
    "text",
    ["", "zip", "top-k", "top-k:0", "top-k:2+int8", "top-k:nan", "top-k:0.1+zip", "int8+int8"],
)
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        codec_of(text)
