"""Learning rates are what their papers' formulas say, and PyTorch's where it is installed."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from edgekit.train.schedules import (
    Schedule,
    constant,
    cosine,
    exponential,
    on_plateau,
    one_cycle,
    warm_restarts,
)


def rates(schedule: Schedule, count: int, losses: Sequence[float] = ()) -> list[float]:
    return [schedule(step, losses) for step in range(count)]


def test_constant_and_exponential() -> None:
    assert rates(constant(0.1), 3) == [0.1, 0.1, 0.1]
    assert rates(exponential(1.0, factor=0.5), 3) == [1.0, 0.5, 0.25]
    assert exponential(1.0, factor=0.5, every=10)(10, ()) == 0.5


def test_a_cosine_rises_to_its_top_and_ends_at_its_floor() -> None:
    found = rates(cosine(1.0, steps=14, warm_up=4, floor=0.2), 20)
    assert found[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert found[9] == pytest.approx(0.6)
    assert found[14:] == pytest.approx([0.2] * 6)
    assert found[4:15] == sorted(found[4:15], reverse=True)


def test_one_cycle_rises_and_falls() -> None:
    found = rates(one_cycle(1.0, steps=100), 110)
    assert found[0] == pytest.approx(1 / 25)
    assert found[29] == pytest.approx(1.0)
    assert found[99:] == pytest.approx([1 / 25e4] * 11)
    assert rates(one_cycle(1.0, steps=4, rising=0.25), 2)[0] == 1.0  # nothing rises


def test_restarts_come_later_each_time() -> None:
    found = rates(warm_restarts(1.0, period=2, growth=2), 15)
    assert [step for step, rate in enumerate(found) if rate == 1.0] == [0, 2, 6, 14]


def test_a_plateau_lowers_the_rate() -> None:
    schedule = on_plateau(1.0, factor=0.5, patience=1)
    assert schedule(0, ()) == 1.0
    assert schedule(0, [3.0, 2.0, 2.0]) == 1.0
    assert schedule(0, [3.0, 2.0, 2.0, 2.0]) == 0.5
    assert schedule(0, [3.0, 2.0, 2.0, 2.0, 2.0, 2.0]) == 0.25
    assert schedule(0, [3.0, 2.0, 2.0, 2.0, 1.0, 2.0]) == 0.5
    assert schedule(0, [-0.9, -0.9, -0.9]) == 0.5


@pytest.mark.parametrize(
    ("schedule", "peer"),
    [
        (exponential(0.1, factor=0.9), lambda t, o: t.ExponentialLR(o, 0.9)),
        (cosine(0.1, steps=20, floor=0.01), lambda t, o: t.CosineAnnealingLR(o, 20, 0.01)),
        (one_cycle(0.1, steps=20), lambda t, o: t.OneCycleLR(o, 0.1, total_steps=20)),
        (
            warm_restarts(0.1, period=3, growth=2, floor=0.01),
            lambda t, o: t.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
        ),
    ],
)
def test_rates_are_pytorchs(schedule: Schedule, peer: Callable[[Any, Any], Any]) -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = peer(torch.optim.lr_scheduler, optimizer)
    expected = []
    for _ in range(20):
        expected.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert rates(schedule, 20) == pytest.approx(expected, rel=1e-6)


def test_a_plateau_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=2)
    losses = [5, 4, 4, 4, 3.9999, 4, 3, 3, 3, 3, 3, 3, 3, 2, 2.5, 2.5, 2.5, 2.5]
    schedule = on_plateau(0.1, factor=0.3, patience=2)
    for number, loss in enumerate(losses, 1):
        scheduler.step(loss)
        expected = optimizer.param_groups[0]["lr"]
        assert schedule(0, losses[:number]) == pytest.approx(expected)
