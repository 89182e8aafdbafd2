"""A layer of full rank split in two computes the same; of less, as little else as can be."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.compress.factorize.factoring import Factors, Rank, Way, factored, ways
from edgekit.compress.factorize.low_rank import of_rank
from edgekit.compress.factorize.spatial import along_both_axes
from edgekit.compress.factorize.splitting import split_layer
from edgekit.compress.layers import Layer, linear_layers
from edgekit.errors import UnsupportedModel
from edgekit.graph.build import GraphBuilder
from edgekit.graph.session import open_session
from edgekit.graph.shapes import infer_shapes
from tests.compress.prune.nets import SIDE, Net


def answer(model: ir.Model) -> Array:
    image = np.random.default_rng(0).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
    return np.asarray(open_session(model).run(None, {"image": image})[0])


def dense(kind: str, **attributes: int) -> ir.Model:
    build, rng = GraphBuilder("dense"), np.random.default_rng(0)
    x = build.op("Flatten", build.input("image", np.float32, (1, 3, SIDE, SIDE)), axis=1)
    shape = (4, 108) if attributes.get("transB") else (108, 4)
    bias = [rng.normal(size=4).astype(np.float32)] if kind == "Gemm" else []
    y = build.op(kind, x, rng.normal(size=shape).astype(np.float32), *bias, **attributes)
    return infer_shapes(build.finish(y=(y, np.float32, (1, 4))))


def conv(kernel: tuple[int, int] = (3, 3), **attributes: object) -> ir.Model:
    build, rng = GraphBuilder("conv"), np.random.default_rng(0)
    x = build.input("image", np.float32, (1, 3, SIDE, SIDE))
    weights = rng.normal(size=(8, 3, *kernel)).astype(np.float32)
    bias = rng.normal(size=8).astype(np.float32)
    y = build.op("Conv", x, weights, bias, kernel_shape=list(kernel), **attributes)
    return infer_shapes(build.finish(y=(y, np.float32, (1, 8, "h", "w"))))


def factors_of(layer: Layer, rank: Rank) -> Factors:
    matrix = layer.matrix()[0]
    rows, columns = matrix.shape
    return factored(layer, matrix, np.eye(columns), np.ones(rows), rank)


WHOLE: dict[str, tuple[ir.Model, Way, int]] = {
    "padded": (conv(pads=[1, 1, 1, 1]), "channels", 8),
    "strided": (conv(strides=[2, 2], pads=[1, 0, 1, 2]), "channels", 8),
    "pointwise with strides": (conv((1, 1), strides=[2, 2]), "channels", 3),
    "same padding": (conv(auto_pad="SAME_UPPER"), "channels", 8),
    "axes, padded": (conv(pads=[2, 1, 0, 3]), "axes", 9),
    "axes, dilated": (conv(dilations=[2, 1], pads=[1, 1, 1, 1]), "axes", 9),
    "axes, oblong": (conv((2, 3)), "axes", 6),
    "axes, same padding": (conv(auto_pad="SAME_LOWER"), "axes", 9),
    "dense, transposed": (dense("Gemm", transB=1), "channels", 4),
    "dense": (dense("Gemm"), "channels", 4),
    "product": (dense("MatMul"), "channels", 4),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_layer_split_at_full_rank_computes_the_same(name: str) -> None:
    model, way, channels = WHOLE[name]
    expected = answer(model)
    model = model.clone()
    (layer,) = linear_layers(model)
    split_layer(model, layer, factors_of(layer, Rank(way, channels)))
    infer_shapes(model)
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    np.testing.assert_allclose(answer(model), expected, rtol=1e-3, atol=1e-3)
    assert len(linear_layers(model)) == 2


@pytest.mark.parametrize("way", ["channels", "axes"])
def test_a_layer_of_lower_rank_is_the_product_that_was_foreseen(way: Way) -> None:
    model = conv(pads=[1, 1, 1, 1])
    whole, parts = model.clone(), model.clone()
    (layer,) = linear_layers(whole)
    factors = factors_of(layer, Rank(way, 2))
    weights = layer.node.inputs[1]
    assert weights is not None
    weights.const_value = ir.tensor(factors.matrix.reshape(8, 3, 3, 3).astype(np.float32))
    split_layer(parts, linear_layers(parts)[0], factors)
    np.testing.assert_allclose(answer(parts), answer(whole), rtol=1e-3, atol=1e-4)


def test_a_layer_with_groups_is_not_split() -> None:
    net = Net()
    model = net.classifier(net.depthwise(net.conv(net.image(), 4)))
    plain, grouped = linear_layers(model)[:2]
    assert ways(grouped) == []
    with pytest.raises(UnsupportedModel, match="has groups"):
        split_layer(model, grouped, factors_of(plain, Rank("channels", 2)))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (conv(), ["channels", "axes"]),
        (conv((1, 3)), ["channels"]),
        (conv(strides=[1, 2]), ["channels"]),
        (dense("MatMul"), ["channels"]),
    ],
)
def test_only_square_windows_without_strides_go_axis_by_axis(
    model: ir.Model, expected: list[str]
) -> None:
    assert ways(linear_layers(model)[0]) == expected


@given(seed=st.integers(0, 2**16), rank=st.integers(1, 4))
def test_factors_beat_those_of_the_weights_alone(seed: int, rank: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(6, 6)) @ rng.normal(size=(6, 300))
    weights, importance = rng.normal(size=(5, 6)), rng.uniform(0.1, 2, 5)

    def error(product: Array) -> float:
        return float(importance @ np.square((weights - product) @ inputs).mean(axis=1))

    outer, inner = of_rank(weights, inputs @ inputs.T / 300, importance, rank)
    left, values, right = np.linalg.svd(weights)
    plain = (left[:, :rank] * values[:rank]) @ right[:rank]
    assert error(outer @ inner) <= error(plain) * 1.01 + 1e-9


def test_what_lies_between_the_factors_has_unit_variance() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(12, 12)) @ rng.normal(size=(12, 500))
    covariance = inputs @ inputs.T / 500
    weights = rng.normal(size=(5, 3, 2, 2))
    _, inner = of_rank(weights.reshape(5, 12), covariance, np.ones(5), 3)
    np.testing.assert_allclose(np.square(inner @ inputs).mean(axis=1), 1, rtol=1e-6)
    first, _ = along_both_axes(weights, covariance, np.ones(5), 4)
    spread = np.square(first[..., 0].reshape(4, 6) @ inputs.reshape(6, 2, 500).reshape(6, -1))
    np.testing.assert_allclose(spread.mean(axis=1), 1, rtol=1e-6)


def test_collinear_inputs_can_be_factored() -> None:
    rng = np.random.default_rng(0)
    inputs = np.repeat(rng.normal(size=(3, 100)), 4, axis=0)
    weights = rng.normal(size=(5, 12))
    outer, inner = of_rank(weights, inputs @ inputs.T / 100, np.ones(5), 3)
    np.testing.assert_allclose(outer @ inner @ inputs, weights @ inputs, atol=1e-2)
