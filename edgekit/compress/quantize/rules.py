"""The ways in which a layer's weights become integers."""

import math

import numpy as np

from edgekit.array import Array
from edgekit.compress.layers import Layer
from edgekit.compress.quantize.allocation import Allocation, uniform_steps
from edgekit.compress.quantize.gram import Gram
from edgekit.compress.quantize.rounding import (
    entropy_bytes,
    every_level,
    round_least_squares,
    round_nearest,
)
from edgekit.compress.quantize.storage import coding_bytes, levels_for_trellis, levels_that_travel
from edgekit.compress.quantize.trellis import FINER, round_by_trellis
from edgekit.compress.quantize.weights import Rounded, Rule, per_channel_steps


def nearest(*, limit: int) -> Rule:
    """A step for each output channel, and each weight rounded by itself."""
    levels = every_level(limit)

    def rule(layer: Layer, gram: Gram) -> Rounded:
        matrix = layer.matrix()
        steps = per_channel_steps(matrix, limit=limit)
        return Rounded(round_nearest(matrix / _by_row(matrix, steps), levels), steps, levels)

    return rule


def least_squares(*, limit: int, asymmetric: bool) -> Rule:
    """A step for each output channel, as fine as its largest weight allows.

    Args:
        limit: the largest integer.
        asymmetric: whether the weights also make good what the layers before did to the input.
    """
    levels = every_level(limit)

    def rule(layer: Layer, gram: Gram) -> Rounded:
        matrix = layer.matrix()
        steps = per_channel_steps(matrix, limit=limit)
        target = gram.target(matrix) if asymmetric else matrix
        return Rounded(_rounded(target / _by_row(matrix, steps), gram, levels), steps, levels)

    return rule


def priced(allocation: Allocation, level: float, *, price: float, asymmetric: bool) -> Rule:
    """One step for the whole layer, by what its errors cost; and a price on every bit.

    Args:
        allocation: what the layers' steps cost.
        level: of cost, which gives each layer its step.
        price: of a bit; 1 is what a uniform quantiser pays at high rate.
        asymmetric: whether the weights also make good what the layers before did to the input.
    """

    def rule(layer: Layer, gram: Gram) -> Rounded:
        step = allocation.step(layer.name, level)
        target = gram.target(layer.matrix()) if asymmetric else layer.matrix()
        levels = levels_that_travel(target / step, limit=allocation.limit)
        integers = _rounded(target / step, gram, levels, price=price)
        plain = Rounded(integers, uniform_steps(layer, step), levels)
        coded = _coded(layer, target, gram, FINER * step, limit=allocation.limit, price=price)
        if coded is None:
            return plain
        return min(plain, coded, key=lambda tried: _bytes_at_equal_error(tried, target, gram))

    return rule


def _coded(
    layer: Layer, target: Array, gram: Gram, step: float, *, limit: int, price: float
) -> Rounded | None:
    """Rounded by a trellis, where a layer can be."""
    levels = levels_for_trellis(target / (2 * step), limit=limit)
    if levels is None:
        return None
    taps = int(np.prod(layer.weights.shape[2:]))
    coded = round_by_trellis(target[0] / step, gram.damped[0], levels, price=price, taps=taps)
    return Rounded(coded.integers[np.newaxis], uniform_steps(layer, step), levels, coded)


def _bytes_at_equal_error(rounded: Rounded, target: Array, gram: Gram) -> float:
    """What a layer takes, as if its steps were such that its output's squared error were 1.

    Half a step for a bit: a quarter of the error.
    """
    off = rounded.matrix - target
    error = float(np.einsum("gok,gkl,gol->", off, gram.damped, off, optimize=True))
    travels = entropy_bytes(rounded.symbols) + coding_bytes(rounded.coded)
    return travels + target.size / 8 * math.log2(max(error, 1e-30)) / 2


def _rounded(scaled: Array, gram: Gram, levels: Array, *, price: float = 0.0) -> Array:
    groups = zip(scaled, gram.damped, strict=True)
    return np.stack([round_least_squares(rows, cov, levels, price=price) for rows, cov in groups])


def _by_row(matrix: Array, steps: Array) -> Array:
    return steps.reshape(*matrix.shape[:2], 1)
