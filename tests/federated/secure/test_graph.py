"""Neighbours on a ring: as many as the stated bounds ask for, and no more."""

import random

import pytest

from edgekit.errors import InputError
from edgekit.federated.secure.graph import Risks, neighbourhood_of, neighbours_of, plan_sum


@pytest.mark.parametrize("count", [2, 3, 10, 100])
def test_up_to_a_hundred_boards_all_share_with_all(count: int) -> None:
    chosen = plan_sum(bytes(16), 1, count, largest=1.0)
    assert (chosen.degree, chosen.threshold) == (count - 1, count * 2 // 3 + 1)


@pytest.mark.parametrize("boards", [101, 500, 10_000])
def test_above_the_degree_grows_like_the_logarithm(boards: int) -> None:
    degree, threshold = neighbourhood_of(boards, Risks())
    assert degree <= 100
    assert degree + 1 < 2 * threshold <= 2 * degree


def test_more_is_asked_for_where_more_can_happen() -> None:
    usual = neighbourhood_of(1000, Risks())[0]
    assert neighbourhood_of(1000, Risks(corrupt=0.25))[0] > usual
    assert neighbourhood_of(1000, Risks(dropout=0.3))[0] > usual
    assert neighbourhood_of(1000, Risks(secrecy_bits=80))[0] > usual
    assert neighbourhood_of(60, Risks(corrupt=0.29)) is None
    with pytest.raises(InputError, match=r"below 0\.5 together"):
        Risks(dropout=0.3, corrupt=0.2)


@pytest.mark.parametrize(("count", "degree"), [(3, 2), (101, 54), (200, 4), (7, 6), (5, 20)])
def test_every_board_has_its_degree_and_neighbours_are_mutual(count: int, degree: int) -> None:
    names = {f"board-{number}" for number in range(count)}
    graph = neighbours_of(names, degree, random.Random(3))
    assert graph.keys() == names
    for board, near in graph.items():
        assert board not in near
        assert len(near) == min(degree, count - 1)
        assert all(board in graph[other] for other in near)


def test_the_threshold_rises_where_more_boards_may_tell_what_they_know() -> None:
    degree, threshold = neighbourhood_of(500, Risks(dropout=0.05, corrupt=0.2))
    assert threshold > degree // 2 + 1


@pytest.mark.parametrize(("dropout", "corrupt"), [(0.2, 0.1), (0.02, 0.3)])
def test_the_stated_bounds_hold_in_simulation(dropout: float, corrupt: float) -> None:
    """With failure at 2^-4 in place of 2^-40 and 2^-20, failures can be counted."""
    boards, times = 150, 200
    risks = Risks(dropout=dropout, corrupt=corrupt, secrecy_bits=4, failure_bits=4)
    degree, threshold = neighbourhood_of(boards, risks)
    names = [f"board-{number}" for number in range(boards)]
    rng = random.Random(0)
    open_secrets = apart = too_few = 0
    for _ in range(times):
        graph = neighbours_of(names, degree, rng)
        spies = set(rng.sample(names, round(corrupt * boards)))
        gone = set(rng.sample(names, round(dropout * boards)))
        honest = set(names) - spies - gone
        open_secrets += any(len(near & spies) >= threshold for near in graph.values())
        too_few += any(len(near - gone) < threshold for near in graph.values())
        apart += _reached(graph, honest) != honest
    most = times * 2**-4
    assert open_secrets <= most
    assert too_few <= most
    assert apart <= most


def _reached(graph, among: set[str]) -> set[str]:
    found, new = set(), {min(among)}
    while new:
        found |= new
        new = set().union(*(graph[board] for board in new)) & among - found
    return found
