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
_GAP = 2 * np.log(2) / 12
"""-dD/dR of a uniform quantiser of step 1 at high rate: D = 1/12, R = h - log2(step)."""


def round_nearest(scaled: Array, *, limit: int) -> Array:
    """Integers next to `scaled`, none beyond +-`limit`."""
    return np.clip(np.rint(scaled), -limit, limit).astype(np.int64)


def round_least_squares(
    scaled: Array, covariance: Array, *, limit: int, price: float = 0.0, weight: Array | None = None
) -> Array:
    """Integers whose product with the inputs is close to that of `scaled`.

    A weight that is exactly 0 stays so: it was pruned.

    Args:
        scaled: float64 `[rows, K]`, weights in units of their step.
        covariance: float64 `[K, K]`, positive definite, of the inputs in the same units: where
            columns have steps of their own, those are in it.
        limit: the largest integer.
        price: of a bit; 1 is what a uniform quantiser pays at high rate, 0 is none.
        weight: float64 `[rows]`, how much a squared error in each row's output counts; their mean
            is the unit of `price`.

    Returns:
        int64 `[rows, K]`.
    """
    order = np.argsort(-np.diag(covariance), kind="stable")
    upper = _inverse_factor(covariance[np.ix_(order, order)])
    pruned = (scaled == 0)[:, order]
    target = np.where(pruned, 0.0, scaled[:, order])
    if price <= 0:
        rounded = _sweep(target, pruned, upper, _Nearest(limit))
    else:
        spread = 1 / np.diag(upper) ** 2
        rows = np.ones(len(scaled)) if weight is None else weight / weight.mean()
        unit = price * _GAP * float(np.exp(np.mean(np.log(spread))))
        rounded = round_nearest(target, limit=limit)
        for _ in range(2):  # code lengths follow the choices, which follow the code lengths
            rule = _Cheapest(limit, code_lengths(rounded, limit), spread, rows, unit)
            rounded = _sweep(target, pruned, upper, rule)
    result = np.empty_like(rounded)
    result[:, order] = rounded
    return result


def conditional_variances(covariance: Array) -> Array:
    """Of each input, what those rounded after it cannot make good: `[K]`, in rounding order."""
    order = np.argsort(-np.diag(covariance), kind="stable")
    return np.asarray(1 / np.diag(_inverse_factor(covariance[np.ix_(order, order)])) ** 2)


def entropy_bytes(integers: Array) -> float:
    """What an ideal coder needs for these integers, each coded by its frequency alone."""
    _, counts = np.unique(integers, return_counts=True)
    return float((counts * np.log2(counts.sum() / counts)).sum() / 8)


class _Nearest:
    """Takes the nearest integer."""

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def __call__(self, values: Array, column: int) -> Array:
        return np.clip(np.rint(values), -self._limit, self._limit)


class _Cheapest:
    """Takes, of the integers around a value and 0, the one with the least error plus price."""

    def __init__(self, limit: int, lengths: Array, spread: Array, rows: Array, unit: float) -> None:
        self._limit = limit
        self._lengths = lengths * unit
        self._spread = spread
        self._rows = rows

    def __call__(self, values: Array, column: int) -> Array:
        low = np.floor(values)
        inner = np.where(low >= 0, low - 1, low + 2)
        choices = np.clip(
            np.stack([low, low + 1, inner, np.zeros_like(low)]), -self._limit, self._limit
        )
        cost = (values - choices) ** 2 * (self._spread[column] * self._rows)
        cost += self._lengths[choices.astype(np.int64) + self._limit]
        return np.asarray(choices[cost.argmin(axis=0), np.arange(len(values))])


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


def _inverse_factor(covariance: Array) -> Array:
    """Upper triangular U with ``inverse(covariance) = U^T U``."""
    return np.asarray(np.linalg.cholesky(np.linalg.inv(covariance)).T)


def code_lengths(integers: Array, limit: int) -> Array:
    """Bits for each of -limit ... limit by their frequency; an unseen one costs a lot, not all."""
    counts = np.bincount((integers + limit).ravel(), minlength=2 * limit + 1) + 0.3
    return np.asarray(-np.log2(counts / counts.sum()))
