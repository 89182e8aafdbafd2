"""Rounding by least squares, against brute force and the bound of Babai's nearest plane."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.compress.quantize.rounding import (
    chosen_levels,
    code_lengths,
    entropy_bytes,
    every_level,
    round_least_squares,
    round_nearest,
)

CASE = settings(max_examples=50, deadline=None)
seeds = st.integers(0, 2**32 - 1)
WIDE = every_level(1000)


def covariance_of(rng: np.random.Generator, width: int) -> Array:
    """Of inputs that depend on each other, of different sizes."""
    mixed = rng.normal(size=(3 * width, width)) @ rng.normal(size=(width, width))
    mixed *= np.exp(rng.normal(size=width))
    return np.asarray(mixed.T @ mixed / len(mixed) + 0.01 * np.eye(width))


def errors(scaled: Array, rounded: Array, covariance: Array) -> Array:
    """The squared error of each row's output."""
    off = scaled - rounded
    return np.asarray(np.einsum("rk,kl,rl->r", off, covariance, off))


@CASE
@given(seeds, st.integers(1, 90), st.integers(1, 5))
def test_the_error_is_within_the_bound_of_the_nearest_plane(
    seed: int, width: int, rows: int
) -> None:
    """Babai, 1986: at most a quarter of the sum of the conditional variances."""
    rng = np.random.default_rng(seed)
    covariance, scaled = covariance_of(rng, width), rng.normal(0, 5, (rows, width))
    found = errors(scaled, round_least_squares(scaled, covariance, WIDE), covariance)
    order = np.argsort(-np.diag(covariance), kind="stable")
    ordered = covariance[np.ix_(order, order)]
    left = [np.linalg.slogdet(ordered[place:, place:])[1] for place in range(width)] + [0.0]
    conditional = np.exp(-np.diff(left))
    assert (found <= conditional.sum() / 4 * (1 + 1e-6)).all()


@pytest.mark.parametrize(("width", "share"), [(4, 0.9), (20, 0.5), (100, 0.5)])
def test_the_error_is_much_less_than_nearest_rounding_makes(width: int, share: float) -> None:
    """Not in every row: in one of a few inputs the feedback may choose worse."""
    rng = np.random.default_rng(width)
    covariance, scaled = covariance_of(rng, width), rng.normal(0, 5, (400, width))
    nearest = errors(scaled, round_nearest(scaled, WIDE), covariance)
    found = errors(scaled, round_least_squares(scaled, covariance, WIDE), covariance)
    assert found.mean() < share * nearest.mean()
    assert (found <= nearest).mean() > 0.8


@CASE
@given(seeds)
def test_no_rounding_is_better_than_the_best_of_all_and_some_are_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    covariance, scaled = covariance_of(rng, 3), rng.uniform(-2, 2, (20, 3))
    levels = every_level(3)
    everything = np.array(list(product(levels, repeat=3)))
    best = np.array(
        [errors(np.broadcast_to(row, (343, 3)), everything, covariance).min() for row in scaled]
    )
    found = errors(scaled, round_least_squares(scaled, covariance, levels), covariance)
    assert (found >= best - 1e-9).all()
    assert np.isclose(found, best).any()


@CASE
@given(seeds)
def test_independent_inputs_are_rounded_to_nearest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    covariance, scaled = np.diag(rng.uniform(0.1, 9, 70)), rng.normal(0, 40, (3, 70))
    levels = every_level(63)
    expected = np.clip(np.rint(scaled), -63, 63)
    np.testing.assert_array_equal(round_nearest(scaled, levels), expected)
    np.testing.assert_array_equal(round_least_squares(scaled, covariance, levels), expected)


@CASE
@given(seeds, st.sampled_from([0.0, 1.0]))
def test_only_the_given_levels_are_used(seed: int, price: float) -> None:
    rng = np.random.default_rng(seed)
    levels = np.array([-7, -2, 0, 1, 5])
    scaled = rng.normal(0, 5, (4, 30))
    rounded = round_least_squares(scaled, covariance_of(rng, 30), levels, price=price)
    assert np.isin(rounded, levels).all()
    assert np.isin(round_nearest(scaled, levels), levels).all()


@pytest.mark.parametrize("price", [0.0, 1.0])
def test_weights_that_are_0_stay_so(price: float) -> None:
    rng = np.random.default_rng(0)
    scaled = rng.normal(0, 5, (30, 80)) * (rng.random((30, 80)) < 0.5)
    found = round_least_squares(scaled, covariance_of(rng, 80), WIDE, price=price)
    assert not found[scaled == 0].any()


def test_a_price_of_next_to_nothing_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    covariance, scaled = covariance_of(rng, 80), rng.normal(0, 5, (30, 80))
    free = round_least_squares(scaled, covariance, WIDE)
    np.testing.assert_array_equal(round_least_squares(scaled, covariance, WIDE, price=1e-9), free)


def test_a_higher_price_leaves_fewer_bits_and_more_error() -> None:
    rng = np.random.default_rng(0)
    covariance, scaled = covariance_of(rng, 100), rng.laplace(0, 2, (200, 100))
    made = [
        round_least_squares(scaled, covariance, every_level(63), price=price)
        for price in (0, 0.5, 1, 2, 4)
    ]
    bits = [entropy_bytes(rounded) for rounded in made]
    lost = [errors(scaled, rounded, covariance).sum() for rounded in made]
    assert bits == sorted(bits, reverse=True)
    assert lost == sorted(lost)
    assert bits[-1] < 0.97 * bits[0]


def test_a_price_of_1_is_a_better_bargain_than_larger_steps() -> None:
    """Fewer bits by price cost less error than as few bits by a coarser step."""
    rng = np.random.default_rng(0)
    covariance, weights = covariance_of(rng, 60), rng.laplace(0, 1, (100, 60))
    levels = every_level(200)

    def made(step: float, price: float) -> tuple[float, float]:
        rounded = round_least_squares(weights / step, covariance, levels, price=price)
        return entropy_bytes(rounded), float(errors(weights, rounded * step, covariance).sum())

    priced_bytes, priced_error = made(0.7, 1.0)
    steps = np.geomspace(0.7, 1.2, 15)
    plain = [made(float(step), 0.0) for step in steps]
    as_small = [error for size, error in plain if size <= priced_bytes]
    assert priced_error < min(as_small)


@CASE
@given(st.lists(st.integers(-6, 6), min_size=1, max_size=40), st.integers(1, 6))
def test_chosen_levels_are_the_best_of_those_that_occur(numbers: list[int], count: int) -> None:
    scaled = np.array(numbers, np.float64)
    found = chosen_levels(scaled, count, limit=6)
    assert 0 in found
    assert len(found) <= count
    np.testing.assert_array_equal(found, np.unique(found))

    def cost(levels: Array) -> float:
        return float(
            np.abs(scaled[:, np.newaxis] - levels).min(axis=1) @ np.ones(len(scaled)) * 0
        ) + float(np.square(np.abs(scaled[:, np.newaxis] - levels).min(axis=1)).sum())

    others = sorted(set(numbers) - {0})
    choices = combinations(others, min(count - 1, len(others)))
    assert cost(found) == min(cost(np.array([0, *chosen])) for chosen in choices)


def test_chosen_levels_are_dense_where_weights_are_many() -> None:
    scaled = np.random.default_rng(0).laplace(0, 4, 20_000)
    found = chosen_levels(scaled, 16, limit=63)
    assert len(found) == 16
    gaps = np.diff(found)
    assert gaps[np.abs(found[1:]) <= 3].max() < gaps[[0, -1]].min()


@CASE
@given(st.lists(st.integers(-127, 127), min_size=1, max_size=200))
def test_entropy_is_what_the_frequencies_say(numbers: list[int]) -> None:
    integers = np.array(numbers).reshape(1, -1)
    shares = [numbers.count(value) / len(numbers) for value in numbers]
    assert entropy_bytes(integers) == pytest.approx(-np.log2(shares).sum() / 8)


@CASE
@given(seeds)
def test_code_lengths_are_those_of_a_complete_code_of_about_the_entropy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels = np.array([-9, -1, 0, 1, 2, 4])
    integers = rng.choice(levels[:5], (20, 30), p=[0.02, 0.2, 0.5, 0.2, 0.08])
    lengths = code_lengths(integers, levels)
    assert np.exp2(-lengths).sum() == pytest.approx(1)
    total = lengths[np.searchsorted(levels, integers)].sum() / 8
    assert entropy_bytes(integers) <= total <= 1.01 * entropy_bytes(integers)
    assert lengths.argmax() == 5
    assert np.isfinite(lengths).all()
