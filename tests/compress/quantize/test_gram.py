"""Moments and least squares, against NumPy's own."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.compress.layers import Layer, linear_layers
from edgekit.compress.quantize.gram import Gram, GramCollector
from edgekit.graph.build import GraphBuilder

CASE = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def dense(inputs: int = 6, outputs: int = 4, batch: int = 50, kind: str = "Gemm") -> Layer:
    build = GraphBuilder("dense")
    weights = np.random.default_rng(0).normal(size=(inputs, outputs)).astype(np.float32)
    y = build.op(kind, build.input("x", np.float32, (batch, inputs)), weights)
    (layer,) = linear_layers(build.finish(y=(y, np.float32, (batch, outputs))))
    return layer


def grouped_conv() -> Layer:
    build = GraphBuilder("conv")
    weights = np.random.default_rng(0).normal(size=(6, 2, 3, 3)).astype(np.float32)
    x = build.input("x", np.float32, (1, 4, 9, 9))
    model: ir.Model = build.finish(
        y=(build.op("Conv", x, weights, group=2), np.float32, (1, 6, 7, 7))
    )
    (layer,) = linear_layers(model)
    return layer


def collected(layer: Layer, pairs: list[tuple[Array, Array]]) -> Gram:
    collector = GramCollector(layer)
    for values, original in pairs:
        collector.add(values, original)
    return collector.gram()


def undamped(gram: Gram) -> Array:
    """The covariance itself."""
    groups, width, _ = gram.damped.shape
    return (
        gram.damped
        - np.broadcast_to(np.eye(width), (groups, width, width))
        * gram.damping[:, np.newaxis, np.newaxis]
    )


def noisy_pairs(rng: np.random.Generator, shape: tuple[int, ...]) -> list[tuple[Array, Array]]:
    """What a layer reads in a compressed network and in the original, three times."""
    pairs = []
    for _ in range(3):
        sizes = rng.uniform(0.5, 2, shape[1]).reshape(-1, *[1] * (len(shape) - 2))
        original = rng.normal(1, 1, shape) * sizes
        pairs.append((original + rng.normal(0.1, 0.2, shape), original))
    return [(x.astype(np.float32), x0.astype(np.float32)) for x, x0 in pairs]


@pytest.mark.parametrize("layer", [dense(), grouped_conv()], ids=["dense", "grouped"])
def test_moments_are_numpys(layer: Layer) -> None:
    shape = (50, 6) if layer.groups == 1 else (1, 4, 9, 9)
    pairs = noisy_pairs(np.random.default_rng(0), shape)
    gram = collected(layer, pairs)
    x, x0 = (np.concatenate([layer.patches(pair[i]) for pair in pairs], axis=2) for i in (0, 1))
    for group in range(layer.groups):
        both = np.cov(x0[group], x[group], ddof=0)
        width = len(x[group])
        np.testing.assert_allclose(undamped(gram)[group], both[width:, width:], atol=1e-5)
        np.testing.assert_allclose(gram.cross[group], both[:width, width:], atol=1e-5)
    np.testing.assert_allclose(gram.mean, x.mean(axis=2), atol=1e-5)
    np.testing.assert_allclose(gram.original_mean, x0.mean(axis=2), atol=1e-5)


def test_a_layer_that_cannot_have_a_bias_has_moments_about_0() -> None:
    """Nothing else would make good its mean."""
    pairs = noisy_pairs(np.random.default_rng(0), (50, 6))
    gram = collected(dense(kind="MatMul"), pairs)
    x, x0 = (np.concatenate([pair[i] for pair in pairs]) for i in (0, 1))
    np.testing.assert_allclose(undamped(gram)[0], x.T @ x / len(x), rtol=1e-5)
    np.testing.assert_allclose(gram.cross[0], x0.T @ x / len(x), rtol=1e-5)


def test_one_network_has_the_moments_of_two_that_are_equal() -> None:
    layer, rng = dense(), np.random.default_rng(0)
    samples = [x for x, _ in noisy_pairs(rng, (50, 6))]
    one = collected(layer, [(x, x) for x in samples])
    two = collected(layer, [(x, x.copy()) for x in samples])
    np.testing.assert_allclose(one.cross, undamped(one), atol=1e-12)
    np.testing.assert_array_equal(undamped(one), undamped(two))
    np.testing.assert_array_equal(one.original_mean, two.original_mean)


@pytest.mark.parametrize("mean", [0, 1e3, 1e5])
def test_a_large_mean_does_not_drown_the_variance(mean: float) -> None:
    rng = np.random.default_rng(0)
    samples = [(mean + rng.normal(size=(50, 6))).astype(np.float32) for _ in range(4)]
    gram = collected(dense(), [(x, x) for x in samples])
    expected = np.cov(np.concatenate(samples).astype(np.float64).T, ddof=0)
    np.testing.assert_allclose(undamped(gram)[0], expected, atol=2e-3)
    assert np.linalg.eigvalsh(gram.damped).min() > 0


def test_of_many_positions_some_stand_for_all() -> None:
    layer = dense(batch=6000)
    samples = noisy_pairs(np.random.default_rng(0), (6000, 6))
    gram = collected(layer, samples)
    expected = np.cov(np.concatenate([x for x, _ in samples]).T, ddof=0)
    largest = np.abs(expected).max()
    np.testing.assert_allclose(undamped(gram)[0], expected, atol=0.12 * largest)
    np.testing.assert_array_equal(undamped(gram), undamped(collected(layer, samples)))


@CASE
@given(seeds)
def test_the_target_is_the_least_squares_solution(seed: int) -> None:
    """With the damping as rows of data that ask for the original weights."""
    layer, pairs = dense(), noisy_pairs(np.random.default_rng(seed), (50, 6))
    gram, matrix = collected(layer, pairs), layer.matrix()
    x, x0 = (np.concatenate([pair[i] for pair in pairs]).astype(np.float64) for i in (0, 1))
    x, x0 = x - x.mean(axis=0), x0 - x0.mean(axis=0)
    damping = np.sqrt(gram.damping[0] * len(x)) * np.eye(6)
    answers = np.concatenate([x0 @ matrix[0].T, damping @ matrix[0].T])
    expected = np.linalg.lstsq(np.concatenate([x, damping]), answers, rcond=None)[0].T
    np.testing.assert_allclose(gram.target(matrix)[0], expected, atol=1e-4)


@CASE
@given(seeds)
def test_without_a_difference_between_the_networks_the_target_is_the_weights(seed: int) -> None:
    layer = grouped_conv()
    pairs = [(x, x) for x, _ in noisy_pairs(np.random.default_rng(seed), (1, 4, 9, 9))]
    target = collected(layer, pairs).target(layer.matrix())
    np.testing.assert_allclose(target, layer.matrix(), atol=1e-6)


def test_weights_that_are_0_stay_so_in_the_target() -> None:
    layer, rng = dense(), np.random.default_rng(0)
    matrix = layer.matrix() * (rng.random((1, 4, 6)) < 0.5)
    target = collected(layer, noisy_pairs(rng, (50, 6))).target(matrix)
    np.testing.assert_array_equal(target == 0, matrix == 0)


@CASE
@given(seeds)
def test_the_shifted_bias_keeps_the_mean_output(seed: int) -> None:
    layer, rng = grouped_conv(), np.random.default_rng(seed)
    pairs = noisy_pairs(rng, (1, 4, 9, 9))
    rounded = np.rint(layer.matrix() * 4) / 4
    shift = collected(layer, pairs).bias_shift(layer.matrix(), rounded)

    def mean_output(matrix: Array, index: int) -> Array:
        outputs = [np.matmul(matrix, layer.patches(pair[index])) for pair in pairs]
        return np.concatenate(outputs, axis=2).mean(axis=2).reshape(-1)

    before, after = mean_output(layer.matrix(), 1), mean_output(rounded, 0)
    np.testing.assert_allclose(after + shift, before, atol=1e-4)
    assert np.abs(shift).max() > 1e-2


@pytest.mark.parametrize("dead", [slice(0, 2), slice(0, 6)])
def test_inputs_that_never_change_can_be_inverted_all_the_same(dead: slice) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 6)).astype(np.float32)
    x[:, dead] = 3
    gram = collected(dense(), [(x, x)])
    assert np.linalg.eigvalsh(gram.damped).min() > 0
    np.testing.assert_allclose(gram.target(dense().matrix()), dense().matrix(), atol=1e-5)
