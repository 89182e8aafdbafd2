"""Sums stay within their words, whoever adds what."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.federated.secure import plan_sum
from edgekit.learning.federated.secure import decode_settings, encode_settings
from edgekit.learning.federated.secure.fixed_point import as_words, is_possible, quantised, whole_of

BOARDS = st.integers(2, 100_000)


@settings(max_examples=100, deadline=None)
@given(BOARDS, st.integers(1, 10**7), st.sampled_from([1, 20, 30]), st.floats(1e-6, 1e6))
def test_the_bounds_hold_for_every_cohort(
    boards: int, samples: int, bits: int, largest: float
) -> None:
    chosen = plan_sum(bytes(16), 1, boards, largest=largest, samples=samples, bits=bits)
    assert chosen.boards * chosen.most < 2 ** (chosen.word - 1)
    assert chosen.boards * chosen.samples < 2**chosen.word
    assert chosen.most >= 2 ** (bits - 1)
    for number in (largest, -largest, largest * 2, 0.0):
        whole = quantised(np.array([number]), samples, chosen)
        assert abs(int(whole[0])) <= chosen.most
        total = as_words(whole, chosen) * np.array(boards).astype(f"<u{chosen.word // 8}")
        found, counted = whole_of(total, chosen)
        assert int(found[0]) == boards * int(whole[0])
        assert counted == boards * samples
    assert decode_settings(encode_settings(chosen)) == chosen


@pytest.mark.parametrize("word", [32, 64])
def test_no_number_beyond_what_boards_can_add_up_to_is_possible(word: int) -> None:
    chosen = msgspec.structs.replace(plan_sum(bytes(16), 2, 3, largest=1.0), word=word)
    ends = 3 * chosen.most
    for number, possible in (
        (ends, True),
        (-ends, True),
        (ends + 1, False),
        (-ends - 1, False),
        (-(2**63), False),
    ):
        whole = np.array([0, number], np.int64)
        assert is_possible(whole, 3, 3, chosen) == possible
    zeros = np.zeros(2, np.int64)
    assert [is_possible(zeros, samples, 3, chosen) for samples in (2, 3, 4)] == [0, 1, 0]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20), st.integers(1, 500))
def test_a_weighted_number_is_within_half_a_step(numbers: list[float], samples: int) -> None:
    chosen = plan_sum(bytes(16), len(numbers), 10, largest=1.0, samples=500)
    whole = quantised(np.array(numbers), samples, chosen)
    error = np.abs(whole[:-1] * chosen.step - samples * np.array(numbers))
    assert error.max() <= chosen.step / 2 * (1 + 1e-6)


def test_32_bits_serve_a_hundred_boards_and_64_those_that_count_billions() -> None:
    assert plan_sum(bytes(16), 1, 100, largest=1.0, samples=10_000).word == 32
    assert plan_sum(bytes(16), 1, 100, largest=1.0, samples=10**8).word == 64
    assert plan_sum(bytes(16), 1, 100, largest=1.0, bits=30).word == 64
    with pytest.raises(InputError, match="no 60 bits a number"):
        plan_sum(bytes(16), 1, 100, largest=1.0, bits=60)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"threshold": 5}, "a threshold of 5 is not more than half of 10"),
        ({"threshold": 11}, "a threshold of 11"),
        ({"least": 5}, "a sum of 5 is not of more than half of 10"),
        ({"least": 11}, "a sum of 11"),
        ({"degree": 10, "threshold": 9}, "10 others are more than 10 boards have"),
        ({"samples": 2**31}, "overflow 32 bits"),
        ({"session": bytes(15)}, "length"),
        ({"word": 16}, "word"),
        ({"size": 0}, "size"),
        ({"largest": 0.0}, "largest"),
        ({"more": 1}, "more than is known"),
        ({"boards": "ten"}, "boards"),
    ],
)
def test_settings_that_are_not_safe_are_refused(change: dict, match: str) -> None:
    import cbor2

    good = cbor2.loads(encode_settings(plan_sum(bytes(16), 3, 10, largest=1.0)))
    with pytest.raises(InputError, match=match):
        decode_settings(cbor2.dumps(good | change))


def test_a_sum_of_one_board_is_refused() -> None:
    with pytest.raises(InputError, match="one board hides nothing"):
        plan_sum(bytes(16), 3, 1, largest=1.0)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100))
def test_bytes_that_are_no_settings_are_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        decode_settings(data)
