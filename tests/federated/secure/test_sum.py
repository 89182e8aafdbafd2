"""A secure sum is the plain sum, whoever drops out, or none at all."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.federated import RoundFailed
from edgekit.federated.secure import plan_sum, simulate_sum
from edgekit.learning.federated.secure import PHASES
from tests.federated.secure.cohorts import Round, parts_of, plain_sum, settings_for


@st.composite
def cohorts(draw):
    boards = draw(st.integers(2, 12))
    names = [f"board-{number}" for number in range(boards)]
    drops = draw(st.dictionaries(st.sampled_from(names), st.sampled_from(PHASES)))
    word_of_64 = draw(st.booleans())
    chosen = settings_for(
        boards,
        size=draw(st.integers(1, 40)),
        session=draw(st.binary(min_size=16, max_size=16)),
        samples=draw(st.sampled_from([1, 7, 10**6])),
        bits=40 if word_of_64 else 20,
    )
    return chosen, drops, draw(st.integers(0, 2**32))


@settings(max_examples=60, deadline=None)
@given(cohorts())
def test_the_secure_sum_is_the_plain_sum_of_those_who_masked_or_fails_below_the_threshold(
    cohort,
) -> None:
    chosen, drops, seed = cohort
    parts = parts_of(chosen, chosen.boards, seed)
    left = chosen.boards - len(drops)
    if left < chosen.least:
        with pytest.raises(RoundFailed, match=r"\Asecure aggregation: .* boards are left .*\Z"):
            simulate_sum(chosen, parts, drops)
        return
    found = simulate_sum(chosen, parts, drops).sum
    among = {name for name in parts if drops.get(name, "unmask") == "unmask"}
    expected = plain_sum(parts, among, chosen)
    assert found.boards == among
    assert np.array_equal(found.whole, expected[:-1])
    assert found.samples == expected[-1]
    assert not found.liars


@settings(max_examples=2, deadline=None)
@given(st.integers(0, 2**32), st.integers(101, 110))
def test_neighbours_on_a_ring_give_the_plain_sum_too(seed: int, boards: int) -> None:
    chosen = settings_for(boards, size=5)
    assert chosen.degree < boards - 1
    parts = parts_of(chosen, boards, seed)
    rng = random.Random(seed)
    drops = {name: rng.choice(PHASES) for name in rng.sample(sorted(parts), boards // 10)}
    found = simulate_sum(chosen, parts, drops, rng=rng).sum
    expected = plain_sum(parts, set(found.boards), chosen)
    assert found.boards == {n for n in parts if drops.get(n, "unmask") == "unmask"}
    assert np.array_equal(found.whole, expected[:-1])
    assert found.samples == expected[-1]


@pytest.mark.parametrize("phase", PHASES)
def test_boards_may_drop_out_in_each_phase_down_to_the_threshold_and_not_below(phase: str) -> None:
    chosen = settings_for(7)
    parts = parts_of(chosen, 7)
    names = sorted(parts)
    assert chosen.least == 5
    two, three = (dict.fromkeys(names[:count], phase) for count in (2, 3))
    assert len(simulate_sum(chosen, parts, two).sum.boards) == (7 if phase == "unmask" else 5)
    with pytest.raises(RoundFailed) as failed:
        simulate_sum(chosen, parts, three)
    assert str(failed.value) == (
        f"secure aggregation: 4 boards are left after the phase {phase}, the sum needs 5; "
        "silent: board-0, board-1, board-2"
    )


def test_the_mean_is_that_by_samples_within_half_a_step_a_board() -> None:
    chosen = settings_for(10, size=300)
    parts = parts_of(chosen, 10)
    found = simulate_sum(chosen, parts).sum
    weights = sum(samples for _, samples in parts.values())
    cut = [(np.clip(vector.astype(np.float64), -1, 1), w) for vector, w in parts.values()]
    expected = sum(vector * w for vector, w in cut) / weights
    assert found.samples == weights
    assert np.abs(found.mean - expected).max() <= 10 * chosen.step / 2 / weights * 1.0001


def test_the_largest_and_smallest_numbers_of_all_boards_do_not_overflow() -> None:
    chosen = settings_for(9, size=2)
    ends = np.array([np.finfo(np.float32).max, -np.inf], np.float32)
    ends[1] = -ends[0]
    parts = dict.fromkeys(parts_of(chosen, 9), (ends, 50))
    found = simulate_sum(chosen, parts).sum
    assert list(found.whole) == [9 * chosen.most, -9 * chosen.most]
    assert found.mean == pytest.approx([1, -1])


def test_a_cohort_that_lost_boards_before_the_ring_was_made_shares_with_all() -> None:
    chosen = plan_sum(bytes(16), 3, 101, largest=1.0, least=51)
    parts = parts_of(chosen, 101)
    drops = dict.fromkeys(sorted(parts)[:47], "advertise")
    assert len(simulate_sum(chosen, parts, drops).sum.boards) == 54


def test_a_board_without_enough_holders_fails_the_round_early_and_is_named() -> None:
    chosen = plan_sum(bytes(16), 3, 120, largest=1.0, least=61)
    run = Round(chosen, 120)
    run.play(("advertise",))
    alone = "board-7"
    near = run.server._graph[alone]
    run.collect("share", set(sorted(near)[: len(near) - chosen.threshold + 2]))
    with pytest.raises(RoundFailed, match=r"hold shares of board-\d+ after the phase share"):
        run.server.end_phase()
