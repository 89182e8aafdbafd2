"""What two sets of answers say of each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.compress.statistics import divergence, paired_difference, same_answers

COUNTS = st.integers(0, 40)


def hits(both: int, lost: int, won: int, neither: int) -> tuple[Array, Array]:
    before = np.repeat([True, True, False, False], [both, lost, won, neither])
    after = np.repeat([True, False, True, False], [both, lost, won, neither])
    return before, after


@given(COUNTS, COUNTS, COUNTS, st.integers(1, 40))
def test_the_interval_holds_the_difference(both: int, lost: int, won: int, neither: int) -> None:
    before, after = hits(both, lost, won, neither)
    change, low, high = paired_difference(before, after)
    assert change == pytest.approx((won - lost) / len(before))
    assert -1 <= low <= change + 1 / len(before)
    assert change - 1 / len(before) <= high <= 1


def test_samples_answered_alike_do_not_widen_the_interval() -> None:
    """A paired interval of 8 lost and 2 won of 1,000 is far narrower than an unpaired one."""
    change, low, high = paired_difference(*hits(600, 8, 2, 390))
    assert change == pytest.approx(-0.006)
    assert (low, high) == pytest.approx((-0.01249, 0.00052), abs=2e-4)
    unpaired = 1.96 * np.sqrt(2 * 0.6 * 0.4 / 1000)
    assert high - low < 0.2 * (2 * unpaired)


def test_half_a_point_on_400_samples_is_noise() -> None:
    _, low, high = paired_difference(*hits(240, 10, 8, 142))
    assert low < -0.005 < 0 < high


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    cells, covered = (0.6, 0.03, 0.02, 0.35), 0
    for counts in rng.multinomial(400, cells, 500):
        _, low, high = paired_difference(*hits(*map(int, counts)))
        covered += low <= cells[2] - cells[1] <= high
    assert 0.92 <= covered / 500 <= 0.99


@given(st.integers(0, 2**32 - 1))
def test_divergence_is_zero_only_from_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.ones(5), size=(2, 3))
    assert divergence(p, p) == pytest.approx(np.zeros(3), abs=1e-12)
    assert (divergence(p, q) > 0).all()


def test_divergence_is_the_sum_that_defines_it() -> None:
    p, q = np.array([[0.5, 0.5]]), np.array([[0.9, 0.1]])
    expected = 0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(0.5 / 0.1)
    assert divergence(p, q) == pytest.approx([expected])


def test_probabilities_rounded_to_nothing_cost_little() -> None:
    """An integer output with steps of 1/256 shows 0 for most of a thousand classes."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2.0, (20, 1000))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rounded = np.rint(p * 256) / 256
    assert np.isfinite(divergence(p, rounded)).all()
    assert divergence(p, rounded).mean() < 0.7


def test_independent_answers_diverge_one_by_one() -> None:
    p, q = np.array([[0.9, 0.8]]), np.array([[0.9, 0.2]])
    expected = 0.8 * np.log(0.8 / 0.2) + 0.2 * np.log(0.2 / 0.8)
    assert divergence(p, q) == pytest.approx([expected])


def test_answers_agree_by_class_by_verdict_and_by_value() -> None:
    scores = np.array([[0.6, 0.4], [0.1, 0.9]])
    moved = np.array([[0.55, 0.45], [0.6, 0.4]])
    assert same_answers(scores, moved, kind="scores").tolist() == [True, False]
    was, is_now = np.array([[1.0], [3.0]]), np.array([[1.9], [1.9]])
    assert same_answers(was, is_now, kind="score", threshold=2.0).tolist() == [True, False]
    raw = np.array([[0.0, 10.0], [0.0, 10.0]])
    near = raw + np.array([[0.1, 0.0], [0.0, 1.0]])
    assert same_answers(raw, near, kind="raw").tolist() == [True, False]
