"""Rounds a layer's weights to integers so that its *output* changes least, at the price of bits.

Optimal Brain Surgeon's error feedback (Hassibi and Stork, 1993) in GPTQ's order (Frantar et al.,
2022, arXiv:2210.17323): columns are rounded one after another, and what each does to the output is
made good by those that follow. With a price on bits each weight takes the value that minimises
output error plus price times its code length, as video coders choose their coefficients (Sullivan
and Wiegand, 1998, IEEE Signal Processing Magazine 15, 74).
"""

import numpy as np

from edgekit.array import Array

_BLOCK = 64
SLOPE = 2 * np.log(2) / 12
"""-dD/dR of a uniform quantiser of step 1 at high rate: D = 1/12, R = h - log2(step)."""


def every_level(limit: int) -> Array:
    """All integers from -limit to limit: int64, sorted."""
    return np.arange(-limit, limit + 1)


def chosen_levels(scaled: Array, count: int, *, limit: int) -> Array:
    """`count` of the integers that occur, and 0: those with the least squared error.

    Where weights are many they lie next to one another, and further apart for the few large ones.
    Exact for weights that are rounded to integers, by dynamic programming (Wang and Song, 2011,
    The R Journal 3/2, 29).

    Returns:
        int64, sorted; fewer than `count` where fewer occur.
    """
    integers, counts = np.unique(
        np.append(round_nearest(scaled, every_level(limit)), 0), return_counts=True
    )
    if len(integers) <= count:
        return integers
    zero = int(np.flatnonzero(integers == 0)[0])
    distances = (integers[:, np.newaxis] - integers) ** 2 * counts
    ends = np.cumsum(np.pad(distances, ((0, 0), (1, 0))), axis=1)
    # between two neighbouring levels every integer takes the nearer one
    size = len(integers)
    between = np.full((size + 2, size + 2), np.inf)
    for left in range(-1, size):
        for right in range(left + 1, size + 1):
            if left < zero < right:
                continue
            if left < 0 or right >= size:
                level = right if left < 0 else left
                if level in (-1, size):
                    continue
                between[left + 1, right + 1] = ends[level, right] - ends[level, left + 1]
            else:
                middle = int(
                    np.searchsorted(integers, (integers[left] + integers[right]) / 2, "right")
                )
                between[left + 1, right + 1] = (ends[left, middle] - ends[left, left + 1]) + (
                    ends[right, right] - ends[right, middle]
                )
    cost, came = between[0].copy(), []
    for _ in range(count - 1):
        totals = cost[:, np.newaxis] + between
        totals[0] = np.inf
        came.append(totals[:, :-1].argmin(axis=0))
        cost = np.append(totals[:, :-1].min(axis=0), np.inf)
        cost[0] = np.inf
    place = int((cost + between[:, -1]).argmin())
    places = [place]
    for before in reversed(came):
        place = int(before[place])
        places.append(place)
    return np.asarray(integers[np.array(sorted(places)) - 1])


def round_nearest(scaled: Array, levels: Array) -> Array:
    """The levels next to `scaled`, int64."""
    return np.asarray(levels[nearest_places(scaled, levels)])


def round_least_squares(
    scaled: Array,
    covariance: Array,
    levels: Array,
    *,
    price: float = 0.0,
) -> Array:
    """Levels whose product with the inputs is close to that of `scaled`.

    A weight that is exactly 0 stays so: it was pruned.

    Args:
        scaled: float64 `[rows, K]`, weights in units of their step.
        covariance: float64 `[K, K]`, positive definite, of the inputs.
        levels: int64, sorted, the integers that there are; 0 is one.
        price: of a bit; 1 is what a uniform quantiser pays at high rate, 0 is none.

    Returns:
        int64 `[rows, K]`.

    Raises:
        numpy.linalg.LinAlgError: the covariance is not positive definite.
    """
    order = np.argsort(-np.diag(covariance), kind="stable")
    upper = inverse_factor(covariance[np.ix_(order, order)])
    target = scaled[:, order]
    pruned = target == 0
    if price <= 0:
        rounded = _sweep(target, pruned, upper, _Nearest(levels))
    else:
        spread = 1 / np.diag(upper) ** 2
        unit = price * SLOPE * float(np.exp(np.mean(np.log(spread))))
        rounded = round_nearest(target, levels)
        for _ in range(2):  # code lengths follow the choices, which follow the code lengths
            rule = _Cheapest(levels, code_lengths(rounded, levels) * unit, spread)
            rounded = _sweep(target, pruned, upper, rule)
    result = np.empty_like(rounded)
    result[:, order] = rounded
    return result


def entropy_bytes(integers: Array) -> float:
    """What an ideal coder needs for these integers, each coded by its frequency alone."""
    flat = integers.reshape(-1)
    counts = np.bincount(flat - flat.min())
    counts = counts[counts > 0]
    return float((counts * np.log2(counts.sum() / counts)).sum() / 8)


def code_lengths(integers: Array, levels: Array) -> Array:
    """Bits for each level by its frequency; one that does not occur costs a lot, not all."""
    places = np.searchsorted(levels, integers.reshape(-1))
    counts = np.bincount(places, minlength=len(levels)) + 0.3
    return np.asarray(-np.log2(counts / counts.sum()))


def nearest_places(values: Array, levels: Array) -> Array:
    """The places of the levels next to some values."""
    return np.asarray(np.searchsorted((levels[1:] + levels[:-1]) / 2, values))


class _Nearest:
    """Takes the nearest level."""

    def __init__(self, levels: Array) -> None:
        self._levels = levels

    def __call__(self, values: Array, column: int) -> Array:
        return round_nearest(values, self._levels)


class _Cheapest:
    """Takes, of the levels around a value and 0, the one with the least error plus price."""

    def __init__(self, levels: Array, prices: Array, spread: Array) -> None:
        self._levels = levels
        self._prices = prices
        self._spread = spread
        self._zero = int(np.searchsorted(levels, 0))

    def __call__(self, values: Array, column: int) -> Array:
        place = nearest_places(values, self._levels)
        inner = place + np.sign(self._zero - place)
        choices = np.stack([place, inner, np.full_like(place, self._zero)])
        cost = (values - self._levels[choices]) ** 2 * self._spread[column]
        cost += self._prices[choices]
        best = choices[cost.argmin(axis=0), np.arange(len(values))]
        return np.asarray(self._levels[best])


def _sweep(target: Array, pruned: Array, upper: Array, rule: _Nearest | _Cheapest) -> Array:
    """Rounds column by column, in blocks so that most of the feedback is one matrix product."""
    values = target.copy()
    rounded = np.empty(target.shape, np.int64)
    columns = target.shape[1]
    for start in range(0, columns, _BLOCK):
        end = min(start + _BLOCK, columns)
        errors = np.empty((len(target), end - start))
        for column in range(start, end):
            chosen = rule(values[:, column], column)
            chosen[pruned[:, column]] = 0
            rounded[:, column] = chosen
            error = (values[:, column] - chosen) / upper[column, column]
            errors[:, column - start] = error
            values[:, column + 1 : end] -= np.outer(error, upper[column, column + 1 : end])
        values[:, end:] -= errors @ upper[start:end, end:]
    return rounded


def inverse_factor(covariance: Array) -> Array:
    """Upper triangular U with ``inverse(covariance) = U^T U``."""
    return np.asarray(np.linalg.cholesky(np.linalg.inv(covariance)).T)
