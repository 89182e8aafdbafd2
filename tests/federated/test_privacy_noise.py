"""The noise that is there is the noise that the accountant is told of."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, kstest

from edgekit.federated.measures import label_skew
from edgekit.federated.model import GlobalModel, RoundFailed
from edgekit.federated.privacy import Mechanism
from edgekit.federated.strategies import DpFedAvg
from edgekit.learning.federated import Update
from edgekit.learning.federated.privacy import (
    NoiseOrder,
    SecretRandomness,
    counts_before,
    discrete_gaussian,
    private_counts,
    protected,
    protected_integers,
)
from edgekit.learning.federated.update import norm_of

SIZE = 50_000
MODEL = GlobalModel({"w": np.zeros(SIZE - 10, np.float32), "b": np.zeros(10, np.float32)})
SURE = 1 - 1e-9
"""One run in a thousand million fails by chance."""


def numbers(model: GlobalModel) -> np.ndarray:
    return np.concatenate([model.parameters["w"], model.parameters["b"]]).astype(np.float64)


def is_deviation(found: np.ndarray, deviation: float) -> bool:
    """Whether normal numbers' empirical deviation lies where that of `deviation` does, surely."""
    squares = float(np.square(found / deviation).sum())
    low, high = chi2.ppf([(1 - SURE) / 2, (1 + SURE) / 2], len(found))
    return bool(low < squares < high)


def still(count: int) -> list[Update]:
    nothing = {name: np.zeros_like(array) for name, array in MODEL.parameters.items()}
    return [Update(f"c{number}", 0, 5, 1, nothing) for number in range(count)]


def test_central_noise_on_the_model_has_the_deviation_z_s_over_n() -> None:
    strategy = DpFedAvg(longest=0.7, noise=1.3, expected=20)
    moved = numbers(strategy.combine(MODEL, still(17)))
    assert is_deviation(moved, 1.3 * 0.7 / 20)
    assert not is_deviation(moved, 1.01 * 1.3 * 0.7 / 17)
    assert not is_deviation(moved, 1.3 * 0.7 / 17)


@pytest.mark.parametrize(("boards", "relative"), [(16, 1.0), (25, 1.25)])
def test_shares_of_distributed_noise_come_to_z_s_and_more_with_more_boards(
    boards: int, relative: float
) -> None:
    mechanism = Mechanism(kind="distributed", longest=0.7, noise=1.3, expected=20, sharers=16)
    order, strategy = mechanism.order, mechanism.strategy(1.0)
    assert order is not None
    updates = [replace(one, change=protected(one.change, order)) for one in still(boards)]
    moved = numbers(strategy.combine(MODEL, updates))
    assert is_deviation(moved, relative * 1.3 * 0.7 / 20)


def test_a_distributed_sum_of_too_few_boards_is_refused() -> None:
    mechanism = Mechanism(kind="distributed", longest=0.7, noise=1.3, expected=20, sharers=16)
    with pytest.raises(RoundFailed, match="needs 16"):
        mechanism.strategy(1.0).combine(MODEL, still(15))


def test_local_noise_is_all_there_on_each_update() -> None:
    order = Mechanism(kind="local", longest=2.0, noise=0.8, expected=20).order
    assert order is not None
    sent = protected(still(1)[0].change, order)
    assert is_deviation(np.concatenate([sent["w"], sent["b"]]), 1.6)


def test_noise_that_shall_repeat_repeats_and_secret_noise_does_not() -> None:
    strategy = DpFedAvg(longest=1.0, noise=1.0, expected=4, seed=3)
    first, second = (numbers(strategy.combine(MODEL, still(4))) for _ in range(2))
    assert (first == second).all()
    order = NoiseOrder("local", 1.0, 1.0)
    sent = [protected(still(1)[0].change, order)["b"] for _ in range(2)]
    assert (sent[0] != sent[1]).all()


def test_the_systems_randomness_is_normal_and_never_infinite() -> None:
    found = SecretRandomness().standard_normal(100_000)
    assert kstest(found, "norm").pvalue > 1e-9
    uniform = SecretRandomness().random(100_000)
    assert uniform.min() > 0
    assert uniform.max() < 1
    assert kstest(uniform, "uniform").pvalue > 1e-9


@pytest.mark.parametrize("deviation", [0.4, 1.0, 3.7, 200.0])
def test_the_discrete_gaussian_has_its_probabilities(deviation: float) -> None:
    drawn = discrete_gaussian(deviation, 100_000, np.random.default_rng(0))
    reach = int(8 * deviation) + 2
    values = np.arange(-reach, reach + 1)
    wanted = np.exp(-np.square(values) / (2 * deviation**2))
    wanted /= wanted.sum()
    likely = wanted * len(drawn) > 20
    counted = np.bincount(drawn + reach, minlength=len(values))[likely]
    expected = (wanted * len(drawn))[likely]
    statistic = float((np.square(counted - expected) / expected).sum())
    assert statistic < chi2.ppf(SURE, likely.sum())


def test_no_noise_is_no_noise() -> None:
    assert (discrete_gaussian(0.0, 5, np.random.default_rng(0)) == 0).all()


@given(
    st.floats(1e-3, 10),
    st.floats(1e-6, 1e-2),
    st.integers(0, 2**32),
    st.integers(1, 300),
)
@settings(deadline=None, max_examples=60)
def test_whole_steps_hold_a_clipped_change_within_what_the_noise_is_grown_for(
    longest: float, step: float, seed: int, size: int
) -> None:
    change = {"w": np.random.default_rng(seed).normal(size=size).astype(np.float32)}
    order = NoiseOrder("distributed", longest, 0.0, 4)
    whole = protected_integers(change, order, step=step, rng=np.random.default_rng(0))
    assert whole["w"].dtype == np.int64
    assert norm_of(whole) * step <= longest + step * np.sqrt(size) / 2 + 1e-9


def test_a_sum_of_whole_steps_has_the_noise_of_the_sum() -> None:
    order, step, boards = NoiseOrder("distributed", 0.7, 1.3, 16), 1e-3, 16
    parts = [protected_integers(one.change, order, step=step) for one in still(boards)]
    total = sum(np.concatenate([part["w"], part["b"]]) for part in parts) * step
    grown = 0.7 + step * np.sqrt(SIZE) / 2
    assert is_deviation(total, 1.3 * grown)


def test_poisson_sampling_draws_each_board_by_itself() -> None:
    strategy = DpFedAvg(longest=1, noise=1, expected=10, share=0.2, sampling="poisson")
    online, rng = [f"b{number}" for number in range(50)], random.Random(0)
    rounds = [strategy.choose(online, rng) for _ in range(2000)]
    sizes = np.array([len(chosen) for chosen in rounds])
    both = np.mean([{"b1", "b2"} <= set(chosen) for chosen in rounds])
    assert abs(sizes.mean() - 10) < 0.3
    assert abs(sizes.var() - 50 * 0.2 * 0.8) < 1.2
    assert abs(both - 0.2**2) < 0.02
    assert rounds[0] == strategy.choose(online[::-1], random.Random(0))


def test_a_round_that_draws_nobody_still_gets_its_noise() -> None:
    strategy = DpFedAvg(longest=0.7, noise=1.3, expected=20, sampling="poisson")
    assert is_deviation(numbers(strategy.combine(MODEL, [])), 1.3 * 0.7 / 20)
    with pytest.raises(RoundFailed):
        DpFedAvg(longest=0.7, noise=1.3, expected=20).combine(MODEL, [])


@pytest.mark.parametrize(
    ("longest", "noise", "sharers", "kind"),
    [
        (0.0, 1.0, 1, "local"),
        (1.0, -1.0, 1, "local"),
        (1.0, 1.0, 2, "local"),
        (1.0, 1.0, 0, "distributed"),
        (float("nan"), 1.0, 1, "local"),
    ],
)
def test_an_order_that_cannot_be_is_refused(
    longest: float, noise: float, sharers: int, kind: str
) -> None:
    with pytest.raises(ValueError, match="must be"):
        NoiseOrder(kind, longest, noise, sharers)


def test_label_counts_by_randomised_answers_are_unbiased_and_tell_the_skew() -> None:
    rng = np.random.default_rng(0)
    boards = [np.repeat(rng.permutation(4), [4000, 800, 150, 50]) for _ in range(20)]
    true = np.stack([np.bincount(labels, minlength=4) for labels in boards])
    told = np.stack([private_counts(labels, 4, 2.0, rng) for labels in boards])
    assert (told.sum(axis=1) == true.sum(axis=1)).all()
    guessed = counts_before(told, 2.0)
    assert np.abs(guessed - true).max() < 250
    assert label_skew(np.maximum(guessed, 0)) == pytest.approx(label_skew(true), abs=0.02)
    assert label_skew(told) < 0.8 * label_skew(true)
