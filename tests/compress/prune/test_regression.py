"""Fitted weights answer better than given ones, and are pulled no more than they need."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.compress.prune.moments import Moments
from edgekit.compress.prune.regression import bias_for, refitted


def halves(inputs: Array, targets: Array) -> tuple[Moments, Moments]:
    pair = tuple(Moments(1, len(inputs), len(targets)) for _ in range(2))
    for number, some in enumerate(pair):
        some.add(inputs[None, :, number::2], targets[None, :, number::2])
    return pair[0], pair[1]


def drawn(seed: int, *, count: int = 400, width: int = 6) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(width, count)) + 2, rng.normal(size=(3, width))


@given(seed=st.integers(0, 2**16))
def test_a_layer_that_is_right_stays_as_it_is(seed: int) -> None:
    inputs, weights = drawn(seed)
    fitted, bias = refitted(halves(inputs, weights @ inputs + 5), weights[None])
    np.testing.assert_allclose(fitted[0], weights, atol=1e-6)
    np.testing.assert_allclose(bias[0], 5, atol=1e-5)


@given(seed=st.integers(0, 2**16), noise=st.sampled_from([0.0, 0.3, 3.0]))
def test_fitting_never_answers_worse_than_before(seed: int, noise: float) -> None:
    inputs, weights = drawn(seed)
    rng = np.random.default_rng(seed + 1)
    targets = (weights + 0.3) @ inputs + noise * rng.normal(size=(3, 400))
    both = halves(inputs, targets)
    fitted, bias = refitted(both, weights[None])
    plain = bias_for(both[0] + both[1], weights[None])

    def error(matrix: Array, shift: Array) -> float:
        return float(np.square(targets - matrix @ inputs - shift[:, None]).mean())

    assert error(fitted[0], bias[0]) <= error(weights, plain[0]) + 1e-9


def test_few_samples_are_not_followed_into_their_noise() -> None:
    inputs, weights = drawn(0, count=30, width=25)
    rng = np.random.default_rng(1)
    targets = weights @ inputs + 4 * rng.normal(size=(3, 30))
    fitted, _ = refitted(halves(inputs, targets), weights[None])
    free = np.linalg.lstsq(inputs.T, targets.T, rcond=None)[0].T
    assert np.abs(fitted[0] - weights).max() < 0.3 * np.abs(free - weights).max()


def test_without_a_bias_the_means_are_part_of_the_fit() -> None:
    inputs, weights = drawn(3)
    fitted, bias = refitted(halves(inputs, weights @ inputs), 0 * weights[None], has_bias=False)
    np.testing.assert_allclose(fitted[0], weights, atol=1e-2)
    assert not bias.any()


def test_moments_are_those_of_all_samples() -> None:
    inputs, weights = drawn(4)
    first, second = halves(inputs, weights @ inputs)
    both = first + second
    np.testing.assert_allclose(both.second()[0], np.cov(inputs, bias=True))
    np.testing.assert_allclose(both.second(centred=False)[0], inputs @ inputs.T / 400)
    np.testing.assert_allclose(both.cross()[0], weights @ np.cov(inputs, bias=True))
    assert both.mean[0] == pytest.approx(inputs.mean(axis=1))
