"""A layer of full rank split in two computes the same; of less, as little else as can be."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.compress.factorize.low_rank import of_rank
from edgekit.compress.factorize.splitting import split_layer
from edgekit.compress.layers import linear_layers
from edgekit.errors import UnsupportedModel
from edgekit.graph.build import GraphBuilder
from edgekit.graph.session import open_session
from edgekit.graph.shapes import infer_shapes
from tests.compress.prune.nets import SIDE, Net


def image(seed: int = 0) -> dict[str, Array]:
    values = np.random.default_rng(seed).normal(size=(1, 3, SIDE, SIDE))
    return {"image": values.astype(np.float32)}


def dense(kind: str, **attributes: int) -> ir.Model:
    build, rng = GraphBuilder("dense"), np.random.default_rng(0)
    x = build.op("Flatten", build.input("image", np.float32, (1, 3, SIDE, SIDE)), axis=1)
    shape = (4, 108) if attributes.get("transB") else (108, 4)
    bias = [rng.normal(size=4).astype(np.float32)] if kind == "Gemm" else []
    y = build.op(kind, x, rng.normal(size=shape).astype(np.float32), *bias, **attributes)
    return infer_shapes(build.finish(y=(y, np.float32, (1, 4))))


def conv() -> ir.Model:
    net = Net()
    return net.classifier(net.conv(net.image(), 8))


@pytest.mark.parametrize("model", [conv(), dense("Gemm", transB=1), dense("Gemm"), dense("MatMul")])
def test_a_layer_split_at_full_rank_computes_the_same(model: ir.Model) -> None:
    expected = open_session(model).run(None, image())[0]
    layer = linear_layers(model)[0]
    matrix = layer.matrix()[0]
    covariance = np.eye(matrix.shape[1])
    outer, inner = of_rank(matrix, covariance, np.ones(len(matrix)), min(matrix.shape))
    split_layer(model, layer, outer, inner)
    infer_shapes(model)
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    found = open_session(model).run(None, image())[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert len(linear_layers(model)) == 2 + (layer.is_conv)


def test_a_layer_with_groups_is_not_split() -> None:
    net = Net()
    model = net.classifier(net.depthwise(net.conv(net.image(), 4)))
    layer = linear_layers(model)[1]
    with pytest.raises(UnsupportedModel, match="has groups"):
        split_layer(model, layer, np.eye(4), np.zeros((4, 9)))


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


def test_a_rank_that_is_enough_loses_nothing() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(5, 2)) @ rng.normal(size=(2, 6))
    outer, inner = of_rank(weights, np.eye(6), np.ones(5), 2)
    np.testing.assert_allclose(outer @ inner, weights, atol=1e-6)
    assert outer.shape == (5, 2)
