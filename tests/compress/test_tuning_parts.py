"""What training steps are made of: changed samples, and steps measured by the weights."""

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.compress.tuning.changes import augmenting, mixing
from edgekit.compress.tuning.relative import RelativeAdam
from edgekit.graph.build import GraphBuilder
from edgekit.train import compile_step, fit
from edgekit.train.data.arrays import Arrays
from edgekit.train.data.augment import Augment
from edgekit.train.losses import Mse

ALL = Augment(flip=True, crop=0.3, rotation=10, brightness=0.1, contrast=0.1, saturation=0.1)


def batch(shape: tuple[int, ...], dtype: type, seed: int = 0) -> Array:
    """Pictures that change slowly from pixel to pixel, from -3 to 5 or 0 to 255."""
    rng = np.random.default_rng(seed)
    share = np.sort(rng.random(shape), axis=2)
    return (255 * share if dtype is np.uint8 else 8 * share - 3).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(4, 3, 8, 8), (4, 8, 8, 3), (4, 1, 8, 8), (4, 8, 8, 1)])
def test_pictures_of_any_layout_keep_their_shape_and_range(
    shape: tuple[int, ...], dtype: type
) -> None:
    given = batch(shape, dtype)
    change = augmenting(ALL, [given])
    assert change is not None
    changed = change(given, np.random.default_rng(0))
    assert (changed.shape, changed.dtype) == (given.shape, given.dtype)
    low, high = (0, 255) if dtype is np.uint8 else (given.min() - 1e-3, given.max() + 1e-3)
    assert low <= changed.min() < changed.max() <= high
    assert not np.array_equal(changed, given)
    assert np.array_equal(given, batch(shape, dtype))


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 8, 8, 3)])
def test_a_flip_swaps_left_and_right(shape: tuple[int, ...]) -> None:
    given = batch(shape, np.float32)
    change = augmenting(Augment(flip=True), [given])
    assert change is not None
    width = 3 if shape[1] == 3 else 2
    changed = change(given, np.random.default_rng(0))
    for was, is_now in zip(given, changed, strict=True):
        ways = (was, np.flip(was, width - 1))
        assert any(np.allclose(is_now, way, atol=8 / 255) for way in ways)


@pytest.mark.parametrize("shape", [(1, 12), (1, 16, 3), (1, 8, 12, 12)])
def test_what_has_no_pictures_shape_is_not_augmented(shape: tuple[int, ...]) -> None:
    assert augmenting(ALL, [np.zeros(shape, np.float32)]) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_mixtures_lie_between_samples(dtype: type) -> None:
    given = batch((6, 3, 8, 8), dtype)
    mixed = mixing(None)(given, np.random.default_rng(0))  # type: ignore[misc]
    assert (mixed.shape, mixed.dtype) == (given.shape, given.dtype)
    assert (mixed >= given.min(axis=0) - 1e-6).all()
    assert (mixed <= given.max(axis=0) + 1e-6).all()


def test_the_first_step_moves_each_parameter_by_its_share() -> None:
    """Adam's first step is the rate, in the direction of the gradient's sign."""
    sizes = {"small": 1e-3, "large": 10.0}
    build = GraphBuilder("two")
    x = build.input("x", np.float32, (1, 3))
    y = build.op("MatMul", x, build.constant(np.full((3, 3), 1e-3, np.float32), "small"))
    y = build.op("MatMul", y, build.constant(np.full((3, 2), 10, np.float32), "large"))
    model = build.finish(y=(y, np.float32, (1, 2)))
    step = compile_step(model, Mse(), RelativeAdam(sizes=sizes), rows=2)
    rng = np.random.default_rng(0)
    data = Arrays(np.ones((2, 3), np.float32), rng.normal(size=(2, 2)).astype(np.float32))
    fitted = fit(step, data, epochs=1, rate=0.01)
    for name, size in sizes.items():
        moved = np.abs(fitted.parameters[name] - step.parameters[name])
        assert moved.max() == pytest.approx(0.01 * size, rel=1e-2)
