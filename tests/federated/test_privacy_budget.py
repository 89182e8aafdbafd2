import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.federated.privacy import Budget, Mechanism, spent_by
from edgekit.federated.privacy.asked import Asked

pytest.importorskip("dp_accounting", reason="needs dp-accounting")

SHARED = Budget(epsilon=3.0, delta=1e-5, noise=1.0, share=0.1)
BY_BOARD = Budget(epsilon=6.0, delta=1e-5, noise=2.0)


def test_the_round_that_would_exceed_the_budget_may_not_begin() -> None:
    budget, number = SHARED, 1
    while budget.may_begin(number):
        budget, number = budget.begun(number), number + 1
    assert budget.spent().least <= 3.0 < budget.spent(number).least
    assert number > 2
    assert f"{number - 1} rounds cost" in budget.last_words()


def test_what_is_spent_is_what_the_rounds_cost_together() -> None:
    budget = SHARED.begun(1).begun(2).begun(3)
    assert budget.spent() == spent_by(3, 1e-5, noise=1.0, share=0.1)
    assert SHARED.spent(3) == budget.spent()


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from("abcd")), max_size=30))
@settings(deadline=None, max_examples=60)
def test_no_round_counts_twice_or_is_forgotten_across_any_restart(
    begins: list[tuple[int, str]],
) -> None:
    counted, by_board = SHARED, BY_BOARD
    first: dict[int, str] = {}
    for number, board in begins:
        first.setdefault(number, board)
        counted = msgspec.json.decode(
            msgspec.json.encode(counted.begun(number, [board])), type=Budget
        )
        by_board = msgspec.json.decode(
            msgspec.json.encode(by_board.begun(number, [board, board])), type=Budget
        )
    assert counted.rounds == by_board.rounds == tuple(sorted(first))
    assert dict(by_board.taken) == {b: list(first.values()).count(b) for b in first.values()}


def test_a_round_that_counts_already_may_be_begun_again() -> None:
    budget = SHARED
    while budget.may_begin(len(budget.rounds) + 1):
        budget = budget.begun(len(budget.rounds) + 1)
    assert budget.may_begin(1)
    assert budget.begun(1) is budget


def test_each_board_retires_when_its_own_rounds_are_spent() -> None:
    most = 0
    while BY_BOARD.spent(most + 1).least <= 6.0:
        most += 1
    budget = BY_BOARD
    for number in range(1, most + 1):
        assert budget.may_begin(number, ["often"])
        budget = budget.begun(number, ["often", f"once{number}"])
    assert budget.allowed(["often", "once1", "never"]) == ["once1", "never"]
    assert not budget.may_begin(most + 1, ["never", "often"])
    assert budget.may_begin(most + 1, ["never"])
    assert budget.spent() == spent_by(most, 1e-5, noise=2.0)


def test_chance_counts_only_for_whoever_does_not_see_who_takes_part() -> None:
    def budget(kind: str, sampling: str) -> Budget:
        mechanism = Mechanism(
            kind=kind, longest=1.0, noise=1.0, expected=10, sharers=1, sampling=sampling
        )
        return mechanism.budget(4.0, 1e-5, 0.1)

    assert budget("central", "poisson").share == 0.1
    assert budget("central", "fixed").share is None
    assert budget("distributed", "poisson").share is None
    assert budget("local", "poisson").share is None


def test_local_noise_counts_half_because_any_two_changes_may_be_twice_the_norm_apart() -> None:
    local = Mechanism(kind="local", longest=1.0, noise=3.0, expected=10)
    assert local.budget(4.0, 1e-5, 0.1).noise == 1.5


@pytest.mark.parametrize("kind", ["central", "distributed", "local"])
def test_noise_that_follows_from_a_budget_pays_for_the_rounds_that_are_planned(kind: str) -> None:
    asked = Asked(kind=kind, longest=1.0, epsilon=4.0, delta=1e-5)
    _, budget = asked.settled(boards=200, share=0.1, rounds=20)
    planned = 20 if budget.share is not None else 2
    assert budget.spent(planned).least <= 4.0


def test_without_a_budget_epsilon_is_counted_and_bounds_nothing() -> None:
    _, budget = Asked(kind="central", longest=1.0, noise=0.5).settled(
        boards=100, share=0.2, rounds=5
    )
    assert budget.delta == pytest.approx(100**-1.1)
    assert budget.epsilon == math.inf
    assert budget.may_begin(1)
