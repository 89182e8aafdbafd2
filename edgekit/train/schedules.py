"""Learning rates as functions of the step, and of how the epochs until then were judged."""

import math
from collections.abc import Callable, Sequence

Schedule = Callable[[int, Sequence[float]], float]
"""From the step's number, from 0, and the losses of the epochs so far, to the learning rate.

The losses are what `Epoch.to_lower` says: where there is a score, minus that."""


def constant(rate: float) -> Schedule:
    """Always the same."""
    return lambda step, losses: rate


def exponential(rate: float, *, factor: float, every: int = 1) -> Schedule:
    """Times `factor` in `every` steps, smoothly."""
    return lambda step, losses: rate * factor ** (step / every)


def cosine(rate: float, *, steps: int, warm_up: int = 0, floor: float = 0.0) -> Schedule:
    """Rises in a line for `warm_up` steps, then falls as half a cosine to `floor`.

    Loshchilov and Hutter, 2017, arXiv:1608.03983, without restarts; Goyal et al., 2017,
    arXiv:1706.02677, for the warm-up.

    Args:
        rate: the highest.
        steps: when `floor` is reached.
        warm_up: how many of them rise.
        floor: the lowest, from then on.
    """

    def at(step: int, losses: Sequence[float]) -> float:
        if step < warm_up:
            return rate * (step + 1) / warm_up
        return _half_cosine(rate, floor, (step - warm_up) / max(1, steps - warm_up))

    return at


def one_cycle(
    rate: float, *, steps: int, rising: float = 0.3, start: float = 25.0, end: float = 1e4
) -> Schedule:
    """Rises to `rate` and falls far below where it began. Smith and Topin, 2018, arXiv:1708.07120.

    Args:
        rate: the highest.
        steps: of the whole cycle; later the rate stays.
        rising: the share of the steps that rise.
        start: the first rate is `rate / start`.
        end: the last rate is the first over this.
    """
    first = rate / start
    top = rising * steps - 1

    def at(step: int, losses: Sequence[float]) -> float:
        if step < top:
            return _half_cosine(first, rate, step / top)
        return _half_cosine(rate, first / end, (step - top) / max(1.0, steps - 1 - top))

    return at


def warm_restarts(rate: float, *, period: int, growth: int = 1, floor: float = 0.0) -> Schedule:
    """Falls as half a cosine, again and again. Loshchilov and Hutter, 2017, arXiv:1608.03983.

    Args:
        rate: where each fall begins.
        period: the steps of the first fall.
        growth: how many times as long each fall is as the one before.
        floor: where each fall would end.
    """

    def at(step: int, losses: Sequence[float]) -> float:
        length = period
        while step >= length:
            step -= length
            length *= growth
        return _half_cosine(rate, floor, step / length)

    return at


def on_plateau(
    rate: float, *, factor: float = 0.1, patience: int = 10, threshold: float = 1e-4
) -> Schedule:
    """Times `factor` whenever more than `patience` epochs in a row were no better than the best.

    Args:
        rate: the first.
        factor: what it is multiplied with.
        patience: how many epochs without progress are let pass.
        threshold: the share by which a loss has to be below the best to count as better.
    """

    def at(step: int, losses: Sequence[float]) -> float:
        now, waited = rate, 0
        best: float | None = None
        for loss in losses:
            if best is None or loss < best - threshold * abs(best):
                best, waited = loss, 0
            else:
                waited += 1
            if waited > patience:
                now, waited = now * factor, 0
        return now

    return at


def _half_cosine(begin: float, end: float, share: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * min(1.0, share))) / 2
