"""New parameters have the variance and the angles that their papers ask for."""

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.graph.build import GraphBuilder
from edgekit.graph.match import constant
from edgekit.train.initializers import INITIALIZERS, glorot, he, orthogonal, reinitialized
from tests.train.models import cnn, mlp
from tests.train.test_training_mode import normalised


def test_glorot_and_he_have_their_variance() -> None:
    rng = np.random.default_rng(0)
    assert glorot(rng, 300, 200, 9).var() == pytest.approx(2 / (500 * 9), rel=0.02)
    assert he(rng, 300, 200, 9).var() == pytest.approx(2 / (200 * 9), rel=0.02)


@pytest.mark.parametrize("shape", [(5, 3, 4), (12, 3, 2), (6, 6, 1)])
def test_orthogonal_rows_or_columns_are_at_right_angles(shape: tuple[int, int, int]) -> None:
    w = orthogonal(np.random.default_rng(0), *shape)
    assert w.shape == (shape[0], shape[1] * shape[2])
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-12)


def held(model: object, name: str) -> Array:
    array = constant(model.graph.initializers[name])  # type: ignore[attr-defined]
    assert array is not None
    return array


@pytest.mark.parametrize("by", INITIALIZERS)
def test_a_seed_decides_all_weights_and_biases_are_zero(by: str) -> None:
    first, same, other = (reinitialized(cnn(), by, seed=seed) for seed in (1, 1, 2))
    for name in ("conv0.w", "conv1.w", "head.w"):
        assert held(first, name).shape == held(cnn(), name).shape
        assert held(first, name).dtype == np.float32
        np.testing.assert_array_equal(held(first, name), held(same, name))
        assert not np.array_equal(held(first, name), held(other, name))
    for name in ("conv0.b", "conv1.b", "head.b"):
        assert not held(first, name).any()


def test_a_dense_layer_counts_what_it_takes_not_what_it_gives() -> None:
    wide = reinitialized(mlp((400, 20)), "he")
    assert held(wide, "w0").var() == pytest.approx(2 / 400, rel=0.1)
    build = GraphBuilder("flipped")
    x = build.input("x", np.float32, (1, 400))
    w = build.constant(np.ones((20, 400), np.float32), "w")
    model = build.finish(y=(build.op("Gemm", x, w, transB=1), np.float32, (1, 20)))
    assert held(reinitialized(model, "he"), "w").var() == pytest.approx(2 / 400, rel=0.1)


def test_a_normalisation_does_nothing_at_first() -> None:
    model = reinitialized(normalised())
    node = next(node for node in model.graph if node.op_type == "BatchNormalization")
    for value, number in zip(node.inputs[1:], (1, 0, 0, 1), strict=True):
        array = constant(value)
        assert array is not None
        assert (array == number).all()


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(InputError, match="'heh'; there are glorot, he, orthogonal"):
        reinitialized(mlp(), "heh")
