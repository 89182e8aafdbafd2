"""Spends a budget: of each thing that can be done, how much of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from edgekit.compress.slim.slimming import Slimming

_HIGHEST_PRICE = 1e6


@dataclass(frozen=True, eq=False)
class Option:
    """One way to make a model slimmer, and what it does to the answer alone.

    Attributes:
        slimming: what it is.
        damage: in nats, or whatever else adds up.
    """

    slimming: Slimming
    damage: float


_NOTHING = Option(Slimming(), 0.0)


def allocate(
    choices: Sequence[Sequence[Option]], macs: Callable[[Slimming], float], budget: float
) -> Slimming | None:
    """At most one option of each choice, so that the budget is kept with the least damage.

    Damages are taken to add up. At a price of a multiply-accumulate each choice takes what is
    cheapest, given what the others take (Shoham and Gersho, 1988, IEEE Transactions on Acoustics,
    Speech, and Signal Processing 36:1445-1453); the price is the lowest that keeps the budget.

    Args:
        choices: the options of each choice; doing nothing is always one more.
        macs: what a slimming costs.
        budget: how many multiply-accumulates may be left.

    Returns:
        Everything to be done, or `None` if even all of it costs more.
    """
    nothing = [_NOTHING for _ in choices]
    if macs(_joined(nothing)) <= budget:
        return Slimming()
    low, high = 0.0, 1e-12
    best = _cheapest(choices, macs, high)
    while macs(_joined(best)) > budget:
        if high > _HIGHEST_PRICE:
            return None
        low, high = high, high * 4
        best = _cheapest(choices, macs, high)
    for _ in range(40):
        price = (low * high) ** 0.5 if low else high / 4
        tried = _cheapest(choices, macs, price)
        if macs(_joined(tried)) <= budget:
            best, high = tried, price
        else:
            low = price
    return _joined(_given_back(best, choices, macs, budget))


def _cheapest(
    choices: Sequence[Sequence[Option]], macs: Callable[[Slimming], float], price: float
) -> list[Option]:
    taken = [_NOTHING for _ in choices]
    for _ in range(3):
        for place, options in enumerate(choices):
            others = _joined(taken[:place] + taken[place + 1 :])
            costs = {
                option: option.damage + price * macs(others | option.slimming)
                for option in (_NOTHING, *options)
            }
            taken[place] = min(costs, key=costs.__getitem__)
    return taken


def _given_back(
    taken: Sequence[Option],
    choices: Sequence[Sequence[Option]],
    macs: Callable[[Slimming], float],
    budget: float,
) -> list[Option]:
    """What is more than the budget asks for is undone, the most harmful first."""
    kept = list(taken)
    while True:
        best: tuple[float, int, Option] | None = None
        for place, options in enumerate(choices):
            others = _joined(kept[:place] + kept[place + 1 :])
            for option in (_NOTHING, *options):
                gain = kept[place].damage - option.damage
                if gain > (best[0] if best else 0) and macs(others | option.slimming) <= budget:
                    best = (gain, place, option)
        if best is None:
            return kept
        kept[best[1]] = best[2]


def everything(choices: Sequence[Sequence[Option]]) -> Slimming:
    """The last, that is the most, of every choice."""
    return _joined([options[-1] for options in choices if options])


def _joined(options: Iterable[Option]) -> Slimming:
    done = Slimming()
    for option in options:
        done = done | option.slimming
    return done
