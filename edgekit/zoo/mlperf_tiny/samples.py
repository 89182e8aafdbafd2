"""Samples for the nets of MLPerf Tiny, from data that ships with scikit-learn or from formulas.

The benchmark's own data sets are not at hand where edgekit is installed, so handwritten digits
stand in for objects, people and spoken words, and a formula for a machine's sound.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from sklearn.datasets import load_digits

from edgekit.array import Array

_TEST_DIGITS = 450
_BRIGHTEST = 16
_CELLS = 8
_BANDS, _FRAMES_A_WINDOW = 128, 5


@dataclass(frozen=True)
class TinySamples:
    """What a net learns from and what it is measured on; the two come from different originals.

    Attributes:
        training: float32 `[N, ...]`, as the net takes them but for the batch.
        training_targets: int64 `[N]` classes; of an autoencoder, the samples themselves.
        test: float32 `[M, ...]`.
        targets: int64 `[M]`: the classes; of an autoencoder, 1 for an anomaly.
    """

    training: Array
    training_targets: Array
    test: Array
    targets: Array

    def calibration(self, count: int = 100) -> Array:
        """The first `count` training samples, to read ranges from: float32 `[count, ...]`."""
        return self.training[:count]


def digit_pictures(
    *, side: int, classes: Literal[2, 10], training: int, test: int, seed: int
) -> TinySamples:
    """Digits in light ink on dark paper, of many sizes, places and tints, a little noisy.

    Args:
        side: height and width.
        classes: 10 to tell digits apart; 2 to tell a digit (1) from one whose rows and columns
            are shuffled (0).
        training: how many to learn from.
        test: how many to measure on.
        seed: of all that is left to chance.

    Returns:
        Pictures float32 `[N, 3, side, side]`, 0 to 1 but for the noise.
    """

    def picture(digit: Array, rng: np.random.Generator) -> Array:
        size = int(rng.integers(round(side * 0.75), side))
        top, left = rng.integers(0, side - size + 1, 2)
        mask = np.zeros((1, side, side), np.float32)
        mask[0, top : top + size, left : left + size] = _resized(digit, size, size)
        ink = rng.uniform(0.6, 1, (3, 1, 1)).astype(np.float32)
        paper = rng.uniform(0, 0.25, (3, 1, 1)).astype(np.float32)
        noise = rng.standard_normal((3, side, side), np.float32)
        drawn: Array = paper + (ink - paper) * mask + np.float32(0.05) * noise
        return drawn

    def draw(digit: Array, kind: int, rng: np.random.Generator) -> tuple[Array, int]:
        if classes == 10:
            return picture(digit, rng), kind
        shuffled = digit[rng.permutation(_CELLS)][:, rng.permutation(_CELLS)]
        is_digit = int(rng.integers(2))
        return picture(digit if is_digit else shuffled, rng), is_digit

    return _from_digits(draw, training, test, seed)


def digit_spectra(*, frames: int, bands: int, training: int, test: int, seed: int) -> TinySamples:
    """Digits as if they were spectrograms of ten words, and two more classes.

    Class 10, silence, is noise; class 11, unknown, is a digit whose rows are shuffled.

    Returns:
        Spectra over time, float32 `[N, 1, frames, bands]`, about -1 to 1.
    """

    def draw(digit: Array, kind: int, rng: np.random.Generator) -> tuple[Array, int]:
        kind = int(rng.choice([kind, 10, 11], p=[10 / 12, 1 / 12, 1 / 12]))
        length = int(rng.integers(round(frames * 0.75), frames))
        start = int(rng.integers(0, frames - length + 1))
        rows = rng.permutation(_CELLS) if kind == 11 else np.arange(_CELLS)
        power = np.zeros((1, frames, bands), np.float32)
        if kind != 10:
            power[0, start : start + length] = _resized(digit[rows], length, bands)
        return rng.uniform(1.4, 2) * power - 1 + rng.normal(0, 0.1, power.shape), kind

    return _from_digits(draw, training, test, seed)


def machine_spectra(*, training: int, test: int, seed: int) -> TinySamples:
    """Log spectra of a turning machine, and of one whose bearing has a fault.

    Speed and load wander; the speed's harmonics stand out of a floor that rises with the load.
    The fault adds weak sidebands that are no harmonics of the speed.

    Returns:
        Windows of 5 frames of 128 bands, float32 `[N, 640]`; half of the test ones are anomalous.
    """

    def windows(faults: Array, rng: np.random.Generator) -> Array:
        count = len(faults)
        drift = np.linspace(-1, 1, _FRAMES_A_WINDOW)
        speed = rng.uniform(9, 14, (count, 1)) + rng.normal(0, 0.1, (count, 1)) * drift
        load = rng.uniform(0, 1, (count, 1, 1))
        band = np.arange(_BANDS)
        power = (0.02 + 0.05 * load) * np.exp(-band / 60) * np.ones((1, _FRAMES_A_WINDOW, 1))
        for harmonic in range(1, 9):
            at = harmonic * speed[:, :, np.newaxis]
            power = power + np.exp(-0.5 * ((band - at) / 1.5) ** 2) * (1 + load) / harmonic
            side = np.exp(-0.5 * ((band - at - 0.43 * speed[:, :, np.newaxis]) / 1.5) ** 2)
            power = power + 0.12 * faults[:, np.newaxis, np.newaxis] * side / harmonic
        decibels = 10 * np.log10(power * rng.gamma(20, 1 / 20, power.shape))
        return decibels.reshape(count, _FRAMES_A_WINDOW * _BANDS).astype(np.float32)

    to_learn, to_test = np.random.default_rng(seed).spawn(2)
    learned = windows(np.zeros(training), to_learn)
    faults = (np.arange(test) % 2).astype(np.int64)
    return TinySamples(learned, learned, windows(faults, to_test), faults)


def _from_digits(
    draw: Callable[[Array, int, np.random.Generator], tuple[Array, int]],
    training: int,
    test: int,
    seed: int,
) -> TinySamples:
    """Draws a sample and its class from each digit in turn; test digits are never learned from."""
    digits, kinds = load_digits(return_X_y=True)
    digits = digits.reshape(-1, _CELLS, _CELLS).astype(np.float32) / _BRIGHTEST
    order = np.random.default_rng(seed).permutation(len(digits))

    def drawn(chosen: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        made = [draw(digits[index], int(kinds[index]), rng) for index in chosen]
        samples = np.array([sample for sample, _ in made], np.float32)
        return samples, np.array([kind for _, kind in made], np.int64)

    to_learn, to_test = np.random.default_rng(seed).spawn(2)
    return TinySamples(
        *drawn(np.resize(order[_TEST_DIGITS:], training), to_learn),
        *drawn(np.resize(order[:_TEST_DIGITS], test), to_test),
    )


def _resized(digit: Array, height: int, width: int) -> Array:
    large: Array = cv2.resize(digit, (width, height), interpolation=cv2.INTER_CUBIC)
    return large.clip(0, 1)
