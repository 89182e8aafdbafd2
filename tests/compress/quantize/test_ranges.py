"""Each calibrator chooses the range that its name says."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from edgekit.array import Array
from edgekit.compress.quantize.ranges import Calibrator, Observed, Scale, scale_for

CASE = settings(max_examples=50, deadline=None)
CALIBRATORS: tuple[Calibrator, ...] = get_args(Calibrator)
every_calibrator = pytest.mark.parametrize("calibrator", CALIBRATORS)
seeds = st.integers(0, 2**32 - 1)


def observed(*tensors: Array) -> Observed:
    seen, rng = Observed(), np.random.default_rng(0)
    for tensor in tensors:
        seen.add(np.asarray(tensor, np.float32), rng)
    return seen


def restored(values: Array, scale: Scale) -> Array:
    """Values as uint8 gives them back."""
    integers = np.clip(np.rint(values / scale.scale) + scale.zero_point, 0, 255)
    return np.asarray((integers - scale.zero_point) * scale.scale)


def highest(scale: Scale) -> float:
    return (255 - scale.zero_point) * scale.scale


def skewed(count: int = 2000) -> Array:
    """Mostly small, a few large, as activations are."""
    return np.abs(np.random.default_rng(1).laplace(0, 1, count)) ** 1.3


@CASE
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=30))
def test_min_max_loses_no_more_than_half_a_step_of_anything_seen(numbers: list[float]) -> None:
    values = np.array(numbers)
    scale = scale_for([observed(values)], "min-max")
    off = np.abs(restored(values, scale) - values)
    assert off.max() <= scale.scale * (0.5 if values.min() >= 0 or values.max() <= 0 else 1) + 1e-9


@CASE
@given(seeds, st.sampled_from(CALIBRATORS))
def test_zero_is_always_an_integer_and_all_256_are_of_use(seed: int, kind: Calibrator) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.uniform(-3, 3), rng.uniform(0.1, 3), 500)
    scale = scale_for([observed(values)], kind)
    assert 0 <= scale.zero_point <= 255
    assert restored(np.zeros(1), scale) == 0
    assert restored(values, scale).min() >= min(values.min(), 0) - scale.scale
    assert restored(values, scale).max() <= max(values.max(), 0) + scale.scale
    if values.min() >= 0:
        assert scale.zero_point == 0
    if values.max() <= 0:
        assert scale.zero_point == 255


@every_calibrator
def test_what_is_always_0_has_a_scale(calibrator: Calibrator) -> None:
    assert scale_for([observed(np.zeros(9))], calibrator) == Scale(1.0, 0)


@every_calibrator
def test_an_extreme_that_no_kept_value_has_is_covered(calibrator: Calibrator) -> None:
    values = np.zeros(10**6)
    values[10**5] = 4
    assert highest(scale_for([observed(values)], calibrator)) == pytest.approx(4)


@every_calibrator
def test_a_shared_scale_covers_both_tensors(calibrator: Calibrator) -> None:
    rng = np.random.default_rng(0)
    small, large = np.abs(rng.normal(0, 1, 2000)), np.abs(rng.normal(0, 8, 2000))
    shared = scale_for([observed(small), observed(large)], calibrator)
    assert highest(scale_for([observed(small)], "min-max")) < highest(shared) <= large.max() * 1.01
    assert shared == scale_for([observed(small, large)], calibrator)


def test_min_max_goes_to_the_extremes_of_all_samples() -> None:
    scale = scale_for([observed(np.array([-1.0, 2]), np.array([0.5, 4]))], "min-max")
    assert scale.scale == pytest.approx(5 / 255)
    assert scale.zero_point == 51


def test_percentile_leaves_out_one_value_in_ten_thousand() -> None:
    batches = [np.abs(np.random.default_rng(seed).normal(size=2000)) for seed in range(100)]
    batches[7][0] = 500
    scale = scale_for([observed(*batches)], "percentile")
    clipped = np.concatenate(batches) > highest(scale)
    assert 0.5e-4 < clipped.mean() < 2e-4


@pytest.mark.parametrize("is_signed", [False, True])
def test_mse_has_less_squared_error_than_any_other_clipping(is_signed: bool) -> None:
    values = np.random.default_rng(0).laplace(0, 1, 200_000)
    values = values if is_signed else np.abs(values)
    seen = observed(*values.reshape(100, -1))

    def error(scale: Scale) -> float:
        return float(np.square(restored(values, scale) - values).mean())

    found = error(scale_for([seen], "mse"))
    low, high = min(values.min(), 0.0), values.max()
    others = []
    for share in np.linspace(0.3, 1, 101):
        step = (high - low) * share / 255
        others.append(error(Scale(step, int(np.rint(-low * share / step)))))
    assert found <= min(others) * 1.02
    assert found < error(scale_for([seen], "min-max"))


def least_divergence(values: Array, levels: int) -> float:
    """The clip that Migacz's slides lead to, step by step."""
    counts, edges = np.histogram(np.abs(values), bins=2048, range=(0, np.abs(values).max()))
    best, clip = np.inf, 0.0
    for kept in range(levels, 2049, 16):
        p = counts[:kept].astype(float)
        p[-1] += counts[kept:].sum()
        q = np.zeros(kept)
        for level in range(levels):
            bins = np.arange(-(-level * kept // levels), -(-(level + 1) * kept // levels))
            bins = bins[counts[bins] > 0]
            q[bins] = counts[bins].sum() / max(len(bins), 1)
        with np.errstate(divide="ignore"):
            divergence = entropy(p, np.maximum(q, 1e-12 * q.sum()))
        if divergence < best:
            best, clip = divergence, edges[kept]
    return float(clip)


def test_entropy_finds_the_clip_of_least_divergence() -> None:
    values = skewed()
    found = highest(scale_for([observed(values)], "entropy"))
    assert found == pytest.approx(least_divergence(values, 256), rel=1e-6)
    assert found < values.max()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_the_zeros_of_a_relu_change_nothing_for_entropy(share: float) -> None:
    """They are exact whatever the clip: counted, they would leave an eighth of the range."""
    values = skewed()
    zeros = np.zeros(round(len(values) * share / (1 - share)))
    rectified = observed(values, zeros)
    assert scale_for([rectified], "entropy") == scale_for([observed(values)], "entropy")
    assert highest(scale_for([rectified], "entropy")) > values.max() / 3
