"""Trellis-coded rounding, against brute force, its definition, and scalar rounding."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.compress.quantize.rounding import entropy_bytes, every_level, round_least_squares
from edgekit.compress.quantize.trellis import FINER, integers_of, round_by_trellis
from tests.compress.quantize.test_rounding import covariance_of, errors

TRANSITIONS = [[0, 2], [2, 0], [1, 3], [3, 1]]
"""By state and parity, as H.266 has them."""


def walked(indices: Array) -> Array:
    """What a row of indices stands for, state by state."""
    state, integers = 0, []
    for index in indices:
        integers.append(2 * index - (state >= 2) * np.sign(index))
        state = TRANSITIONS[state][index % 2]
    return np.array(integers)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-8, 8), min_size=1, max_size=60))
def test_indices_are_walked_as_the_standard_says(indices: list[int]) -> None:
    row = np.array(indices)
    np.testing.assert_array_equal(integers_of(row[np.newaxis])[0], walked(row))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_of_independent_inputs_the_path_is_the_best_of_all(seed: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    scaled = rng.normal(0, 2, (1, columns))
    powers = np.sort(rng.uniform(0.5, 2, columns))[::-1]
    levels = np.arange(-2, 3)
    found = round_by_trellis(scaled, np.diag(powers), levels, price=0.0)
    error = float(((found.integers - scaled) ** 2 @ powers)[0])
    paths = (np.array(path) for path in product(levels, repeat=columns))
    least = min(float((walked(path) - scaled[0]) ** 2 @ powers) for path in paths)
    assert error == pytest.approx(least)


@pytest.mark.parametrize("price", [0.0, 0.7])
def test_it_costs_half_a_decibel_less_than_scalar_rounding_at_the_same_bits(price: float) -> None:
    """Marcellin and Fischer, 1990, table I: 0.99 dB for four states, where weights are many."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(300, 64)) @ (np.eye(64) + 0.1 * rng.normal(size=(64, 64)))
    covariance, weights = mixed.T @ mixed / 300, rng.laplace(0, 1, (2000, 64))

    def at_3_bits(integers: Array, symbols: Array, step: float) -> float:
        error = errors(weights, integers * step, covariance).mean()
        bits = entropy_bytes(symbols) * 8 / weights.size
        return float(10 * np.log10(error) + 6.02 * (bits - 3))

    levels = every_level(60)
    scalar = round_least_squares(weights / 0.5, covariance, levels, price=price)
    fine = 0.5 * FINER
    coded = round_by_trellis(weights / fine, covariance, levels, price=price)
    gain = at_3_bits(scalar, scalar, 0.5) - at_3_bits(coded.integers, coded.indices, fine)
    assert 0.5 < gain < 1.5


def test_only_levels_that_there_are_and_zeros_stay() -> None:
    rng = np.random.default_rng(1)
    levels = np.array([-9, -4, -1, 0, 1, 2, 3, 7])
    scaled = rng.normal(0, 5, (30, 90)) * (rng.random((30, 90)) < 0.5)
    covariance = covariance_of(rng, 90)
    coded = round_by_trellis(scaled, covariance, levels, price=0.7, taps=9)
    assert np.isin(coded.indices, levels).all()
    assert not coded.integers[scaled == 0].any()
    assert (np.abs(coded.integers) <= 2 * 9).all()


def test_channels_stay_together_in_the_order_of_their_power() -> None:
    rng = np.random.default_rng(2)
    powers = np.repeat([1.0, 4.0, 2.0], 4)
    coded = round_by_trellis(
        rng.normal(0, 3, (5, 12)), np.diag(powers), every_level(9), price=0.0, taps=4
    )
    np.testing.assert_array_equal(coded.order, [1, 2, 0])
    columns = [4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3]
    np.testing.assert_array_equal(coded.integers[:, columns], integers_of(coded.indices))


def test_blocks_go_on_where_the_last_one_ended() -> None:
    """Rows longer than a block, whose rounding a decoder follows from their start."""
    rng = np.random.default_rng(3)
    scaled = rng.normal(0, 4, (8, 200))
    coded = round_by_trellis(scaled, np.eye(200), every_level(30), price=0.0)
    error = np.mean((coded.integers - scaled) ** 2)
    assert error < 4 / 12 / 10**0.08  # 0.8 dB less than the coarse step makes by itself
