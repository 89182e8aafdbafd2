"""Removing inputs one by one comes to the least-squares answer from those that are left."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.compress.prune.elimination import Elimination


def problem(seed: int, *, outputs: int = 3, blocks: int = 4, width: int = 2) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(blocks * width, 200))
    inputs[1:] += 0.7 * inputs[:-1]
    return inputs, rng.normal(size=(outputs, blocks * width))


def elimination(inputs: Array, weights: Array, width: int = 2) -> Elimination:
    columns = {
        block: list(range(block * width, (block + 1) * width))
        for block in range(len(inputs) // width)
    }
    covariance = inputs @ inputs.T / inputs.shape[1]
    importance = np.arange(1.0, len(weights) + 1)
    return Elimination(covariance, weights, importance, columns, damping=0.0)


@given(seed=st.integers(0, 2**16), order=st.permutations(range(4)))
def test_any_order_ends_at_least_squares(seed: int, order: list[int]) -> None:
    inputs, weights = problem(seed)
    some = elimination(inputs, weights)
    for block in order[:2]:
        some.remove(block)
    kept = np.sort(np.concatenate([[2 * block, 2 * block + 1] for block in order[2:]]))
    best = np.linalg.lstsq(inputs[kept].T, (weights @ inputs).T, rcond=None)[0].T
    np.testing.assert_allclose(some.weights[:, kept], best, rtol=1e-5, atol=1e-7)
    gone = np.setdiff1d(np.arange(8), kept)
    assert not some.weights[:, gone].any()


@given(seed=st.integers(0, 2**16), block=st.integers(0, 3))
def test_a_loss_is_the_error_that_follows(seed: int, block: int) -> None:
    inputs, weights = problem(seed)
    some = elimination(inputs, weights)
    loss = some.losses()[block]
    some.remove(block)
    error = np.square((weights - some.weights) @ inputs).mean(axis=1) @ np.array([1.0, 2.0, 3.0])
    assert loss == pytest.approx(error, rel=1e-5)


def test_a_block_that_is_not_there_is_passed_over() -> None:
    inputs, weights = problem(0)
    some = elimination(inputs, weights)
    some.remove(9)
    np.testing.assert_array_equal(some.weights, weights)


def test_an_input_that_is_a_copy_costs_nothing() -> None:
    inputs, weights = problem(1, width=1, blocks=4)
    inputs[3] = inputs[0]
    covariance = inputs @ inputs.T / 200
    columns = {block: [block] for block in range(4)}
    some = Elimination(covariance, weights, np.ones(3), columns, damping=1e-9)
    assert min(some.losses(), key=some.losses().__getitem__) in (0, 3)
    assert min(some.losses().values()) == pytest.approx(0, abs=1e-6)


def test_blocks_of_unlike_width_are_compared() -> None:
    inputs, weights = problem(2)
    covariance = inputs @ inputs.T / 200
    columns = {0: [0], 1: [1, 2, 3], 2: [4, 5, 6, 7]}
    some = Elimination(covariance, weights, np.ones(3), columns, damping=0.0)
    losses = some.losses()
    some.remove(1)
    error = np.square((weights - some.weights) @ inputs).mean(axis=1).sum()
    assert losses[1] == pytest.approx(error, rel=1e-5)
