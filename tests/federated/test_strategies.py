import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.federated.model import GlobalModel, RoundFailed
from edgekit.federated.strategies import (
    DpFedAvg,
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedBuff,
    FedNova,
    FedProx,
    FedYogi,
    Krum,
    Median,
    NormClipping,
    Scaffold,
    Strategy,
    TrimmedMean,
)
from edgekit.federated.strategies.krum import krum_scores
from edgekit.federated.strategies.naming import STRATEGIES, strategy_of
from edgekit.learning.federated import Update


def model(seed: int = 0) -> GlobalModel:
    rng = np.random.default_rng(seed)
    return GlobalModel(
        {"w": rng.normal(size=(3, 2)).astype(np.float32), "b": np.zeros(2, np.float32)}
    )


def updates(count: int, seed: int = 0, *, control: bool = False) -> list[Update]:
    rng = np.random.default_rng(seed)

    def drawn() -> dict[str, Array]:
        return {
            "w": rng.normal(size=(3, 2)).astype(np.float32),
            "b": rng.normal(size=2).astype(np.float32),
        }

    return [
        Update(
            f"c{number}",
            0,
            int(rng.integers(1, 90)),
            int(rng.integers(1, 9)),
            drawn(),
            drawn() if control else {},
        )
        for number in range(count)
    ]


def moves(strategy: Strategy, given_updates: list[Update], wanted: dict[str, Array]) -> bool:
    before = model()
    after = strategy.combine(before, given_updates)
    assert after.version == 1
    return all(
        np.allclose(after.parameters[n], before.parameters[n] + wanted[n], rtol=0, atol=1e-6)
        and after.parameters[n].dtype == np.float32
        for n in ("w", "b")
    )


def by_number(given_updates: list[Update], name: str, rule) -> Array:
    """The slow way: each number of a parameter by itself."""
    shape = given_updates[0].change[name].shape
    found = np.zeros(shape)
    for place in np.ndindex(shape):
        found[place] = rule([float(u.change[name][place]) for u in given_updates])
    return found


def test_fedavg_weighs_by_samples() -> None:
    some = updates(5)
    total = sum(u.samples for u in some)
    wanted = {n: sum(u.change[n] * (u.samples / total) for u in some) for n in ("w", "b")}
    assert moves(FedAvg(), some, wanted)
    assert moves(FedProx(mu=0.3), some, wanted)


def test_fedprox_tells_the_boards_its_mu() -> None:
    assert FedProx(mu=0.3).guidance(model(), epochs=4, rate=0.2).proximal == 0.3


def test_fednova_is_fedavg_where_all_take_as_many_steps() -> None:
    same = [Update(u.client, 0, u.samples, 7, u.change) for u in updates(5)]
    one, other = FedNova().combine(model(), same), FedAvg().combine(model(), same)
    assert all(np.allclose(one.parameters[n], other.parameters[n], atol=1e-6) for n in ("w", "b"))


def test_fednova_averages_directions_and_goes_the_mean_number_of_steps() -> None:
    some = updates(4)
    p = np.array([u.samples for u in some]) / sum(u.samples for u in some)
    tau = np.array([u.steps for u in some])
    wanted = {
        n: (p @ tau) * sum(p[i] * u.change[n] / tau[i] for i, u in enumerate(some))
        for n in ("w", "b")
    }
    assert moves(FedNova(), some, wanted)


def test_scaffold_moves_model_and_control_by_plain_means() -> None:
    some = updates(4, control=True)
    wanted = {n: 0.5 * np.mean([u.change[n] for u in some], axis=0) for n in ("w", "b")}
    assert moves(Scaffold(clients=10, rate=0.5), some, wanted)
    after = Scaffold(clients=10).combine(model(), some)
    control = Scaffold(clients=10).guidance(after, epochs=1, rate=0.1).control
    for name in ("w", "b"):
        mean = np.mean([u.control[name] for u in some], axis=0)
        assert np.allclose(control[name], 4 / 10 * mean, atol=1e-6)
    with pytest.raises(RoundFailed, match="c0 sent no control"):
        Scaffold(clients=10).combine(model(), updates(3))


@pytest.mark.parametrize("kind", [FedAdagrad, FedYogi, FedAdam])
def test_adaptive_strategies_follow_algorithm_2(kind) -> None:
    strategy = kind(rate=0.3, beta1=0.8, beta2=0.9, tau=0.01)
    now = model()
    x = float(now.parameters["w"][1, 1])
    m, v = 0.0, 0.01**2
    for number in range(4):
        some = updates(3, seed=number)
        now = strategy.combine(now, some)
        total = sum(u.samples for u in some)
        delta = sum(float(u.change["w"][1, 1]) * u.samples / total for u in some)
        m = 0.8 * m + 0.2 * delta
        if kind is FedAdagrad:
            v = v + delta**2
        elif kind is FedYogi:
            v = v - 0.1 * delta**2 * np.sign(v - delta**2)
        else:
            v = 0.9 * v + 0.1 * delta**2
        x += 0.3 * m / (v**0.5 + 0.01)
        assert now.parameters["w"][1, 1] == pytest.approx(x, abs=1e-5)


def test_fedbuff_weighs_old_updates_less() -> None:
    some = [Update(u.client, version, 5, 1, u.change) for version, u in enumerate(updates(3))]
    before = GlobalModel(model().parameters, version=2)
    after = FedBuff(least=3, rate=2.0).combine(before, some)
    weights = [2 / 3 / 3**0.5, 2 / 3 / 2**0.5, 2 / 3]
    wanted = sum(w * u.change["w"] for w, u in zip(weights, some, strict=True))
    assert np.allclose(after.parameters["w"], before.parameters["w"] + wanted, atol=1e-6)
    with pytest.raises(RoundFailed, match="2 updates came, the round needs 3"):
        FedBuff(least=3).combine(before, some[:2])


@given(st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_median_is_that_of_each_number(count: int, seed: int) -> None:
    some = updates(count, seed)

    def rule(numbers: list[float]) -> float:
        numbers = sorted(numbers)
        return (numbers[(count - 1) // 2] + numbers[count // 2]) / 2

    assert moves(Median(), some, {n: by_number(some, n, rule) for n in ("w", "b")})


@given(st.integers(0, 3), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_trimmed_mean_leaves_out_both_ends(trim: int, more: int, seed: int) -> None:
    some = updates(2 * trim + more, seed)

    def rule(numbers: list[float]) -> float:
        kept = sorted(numbers)
        for _ in range(trim):
            kept.remove(max(kept))
            kept.remove(min(kept))
        return sum(kept) / len(kept)

    assert moves(TrimmedMean(trim=trim), some, {n: by_number(some, n, rule) for n in ("w", "b")})
    if trim:
        with pytest.raises(RoundFailed, match="cannot be trimmed"):
            TrimmedMean(trim=trim).combine(model(), some[: 2 * trim])


@given(st.integers(0, 2), st.integers(0, 3), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_krum_scores_are_those_of_the_paper(wrong: int, more: int, seed: int) -> None:
    some = updates(2 * wrong + 3 + more, seed)
    scores = []
    for u in some:
        apart = sorted(
            sum(float(((u.change[n] - v.change[n]) ** 2).sum()) for n in ("w", "b"))
            for v in some
            if v is not u
        )
        scores.append(sum(apart[: len(some) - wrong - 2]))
    assert np.allclose(krum_scores(some, wrong), scores, rtol=1e-4)
    best = some[int(np.argmin(scores))]
    assert moves(Krum(wrong=wrong), some, dict(best.change))


def test_krum_takes_none_of_those_that_lie_far_away() -> None:
    some = updates(9)
    far = [Update(u.client, 0, 10**6, 1, {n: 100 + a for n, a in u.change.items()}) for u in some]
    moved = Krum(wrong=2, keep=5).combine(model(), [*some[:7], *far[:2]])
    assert np.abs(moved.parameters["w"]).max() < 10
    with pytest.raises(RoundFailed, match="too few for Krum"):
        Krum(wrong=2).combine(model(), some[:6])


def test_clipping_bounds_what_one_board_can_do() -> None:
    some = updates(4)
    huge = Update("x", 0, 20, 1, {n: 1e6 * a for n, a in some[0].change.items()})
    strategy = NormClipping(inner=FedAvg(share=0.5), longest=0.1)
    before = model()
    after = strategy.combine(before, [huge, *some])
    moved = [after.parameters[n] - before.parameters[n] for n in ("w", "b")]
    assert np.sqrt(sum(np.square(one).sum() for one in moved)) <= 0.1 + 1e-6
    assert len(strategy.choose(["a", "b", "c", "d"], random.Random(0))) == 2


def test_noise_is_that_of_the_sum_over_the_expected_number() -> None:
    zero = GlobalModel({"w": np.zeros(200_000, np.float32)})
    nothing = [Update(f"c{n}", 0, 5, 1, {"w": np.zeros(200_000, np.float32)}) for n in range(7)]
    strategy = DpFedAvg(longest=2.0, noise=1.5, expected=10, seed=1)
    found = strategy.combine(zero, nothing).parameters["w"]
    assert found.std() == pytest.approx(1.5 * 2.0 / 10, rel=0.02)
    assert (strategy.combine(zero, nothing).parameters["w"] == found).all()
    secret = DpFedAvg(longest=2.0, noise=1.5, expected=10)
    first, second = (secret.combine(zero, nothing).parameters["w"] for _ in range(2))
    assert (first != second).any()


def test_without_noise_a_board_counts_its_clipped_change_over_the_expected_number() -> None:
    (one,) = updates(1)
    strategy = DpFedAvg(longest=0.5, noise=0.0, expected=4)
    factor = 0.5 / one.norm / 4
    assert moves(strategy, [one], {n: factor * a for n, a in one.change.items()})


@pytest.mark.parametrize(
    "strategy", [FedAvg(), Median(), TrimmedMean(trim=1), Krum(keep=2)], ids=lambda s: repr(s)[:9]
)
def test_the_order_in_which_updates_come_does_not_matter(strategy: Strategy) -> None:
    some = updates(7)
    one, other = strategy.combine(model(), some), strategy.combine(model(), some[::-1])
    assert all(np.allclose(one.parameters[n], other.parameters[n], atol=1e-6) for n in ("w", "b"))


def test_too_few_updates_are_no_round() -> None:
    with pytest.raises(RoundFailed, match="2 updates came, the round needs 3"):
        FedAvg(least=3).combine(model(), updates(2))
    with pytest.raises(RoundFailed):
        FedAvg().combine(model(), [])


def test_who_takes_part_follows_from_the_generator_and_not_from_the_order() -> None:
    online = [f"b{n}" for n in range(20)]
    one = FedAvg(share=0.25).choose(online, random.Random(3))
    assert one == FedAvg(share=0.25).choose(online[::-1], random.Random(3))
    assert len(set(one)) == 5
    assert FedAvg(share=0.01).choose(online, random.Random(0))[0] in online
    assert FedAvg().choose([], random.Random(0)) == []
    drawn = [tuple(FedAvg(share=0.25).choose(online, random.Random(n))) for n in range(5)]
    assert any(a != b for a, b in pairwise(drawn))


def test_an_operator_names_a_strategy_and_its_settings() -> None:
    assert strategy_of("fedprox", {"mu": "0.5", "share": 0.1}) == FedProx(mu=0.5, share=0.1)
    assert strategy_of("krum", {"wrong": "2"}) == Krum(wrong=2)
    with pytest.raises(InputError, match="no strategy 'fedmax'; use one of dp-fedavg"):
        strategy_of("fedmax", {})
    with pytest.raises(InputError, match="no setting 'mi'"):
        strategy_of("fedprox", {"mi": "1"})
    with pytest.raises(InputError, match="mu"):
        strategy_of("fedprox", {"mu": "much"})


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_name_is_a_strategy(name: str) -> None:
    needed = {
        "scaffold": {"clients": "3"},
        "dp-fedavg": {"longest": "1", "noise": "1", "expected": "3"},
    }
    assert isinstance(strategy_of(name, needed.get(name, {})), Strategy)
