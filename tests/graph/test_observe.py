"""What an observer sees is what the graph as written computes."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.errors import InputError
from edgekit.graph.build import GraphBuilder
from edgekit.graph.observe import Observer

RNG = np.random.default_rng(0)
X = RNG.normal(0, 1, (1, 3, 8, 8)).astype(np.float32)
KERNEL = RNG.normal(0, 1, (4, 3, 1, 1)).astype(np.float32)
SCALE = RNG.uniform(0.5, 2, 4).astype(np.float32)


def scaled_conv() -> ir.Model:
    """Conv -> BatchNormalization -> Relu, which ONNX Runtime makes one node of if it may."""
    build = GraphBuilder("g")
    conv = build.op("Conv", build.input("x", np.float32, X.shape), build.constant(KERNEL, "k"))
    conv.name = "conv"
    zero, one = np.zeros(4, np.float32), np.ones(4, np.float32)
    norm = build.op("BatchNormalization", conv, SCALE, zero, zero, one, epsilon=0.0)
    norm.name = "norm"
    return build.finish(y=(build.op("Relu", norm), np.float32, (1, 4, 8, 8)))


@pytest.mark.parametrize("as_bytes", [False, True])
def test_values_that_would_be_fused_away_are_seen(as_bytes: bool) -> None:
    model = scaled_conv()
    given = ir.to_proto(model).SerializeToString() if as_bytes else model
    seen = Observer(given, ["conv", "norm", "x", "k"]).run(X)
    conv = np.einsum("oi,nihw->nohw", KERNEL[:, :, 0, 0], X)
    norm = conv * SCALE[:, np.newaxis, np.newaxis]
    assert sorted(seen) == ["conv", "k", "norm", "x", "y"]
    np.testing.assert_allclose(seen["conv"], conv, atol=1e-5)
    np.testing.assert_allclose(seen["norm"], norm, atol=1e-5)
    np.testing.assert_allclose(seen["y"], np.maximum(norm, 0), atol=1e-5)
    np.testing.assert_array_equal(seen["k"], KERNEL)
    np.testing.assert_array_equal(seen["x"], X)
    assert all(array.dtype == np.float32 for array in seen.values())


def test_the_model_is_left_as_it_was() -> None:
    model = scaled_conv()
    before = ir.to_proto(model).SerializeToString()
    Observer(model, ["conv"]).run(X)
    assert ir.to_proto(model).SerializeToString() == before


def test_an_observed_weight_is_the_models_own_memory() -> None:
    build = GraphBuilder("g")
    weights = np.ones((64, 64), np.float32)
    value = build.op("Mul", build.input("x", np.float32, (64, 64)), build.constant(weights, "w"))
    observer = Observer(build.finish(y=(value, np.float32, (64, 64))), ["w"])
    assert np.shares_memory(observer.run(weights)["w"], weights)


def test_weights_in_any_memory_order_are_read_right() -> None:
    build = GraphBuilder("g")
    weights = RNG.normal(0, 1, (32, 64)).astype(np.float32)
    data = build.input("x", np.float32, (1, 64))
    model = build.finish(y=(build.op("MatMul", data, np.ones((64, 32), "f4")), np.float32, (1, 32)))
    value = next(iter(model.graph.initializers.values()))
    value.const_value = ir.tensor(weights.T, name=str(value.name))
    x = np.ones((1, 64), np.float32)
    np.testing.assert_allclose(Observer(model, []).run(x)["y"], x @ weights.T, rtol=1e-5)


def test_a_quantised_graph_is_computed_in_float() -> None:
    """x, as levels of 0.1, times one weight of 127 * 0.01: 0.5 x 1.27 = 0.635, not a level."""
    build = GraphBuilder("g")
    scale, zero = np.float32(0.1), np.uint8(0)
    level = build.op("QuantizeLinear", build.input("x", np.float32, (1, 1, 1, 1)), scale, zero)
    weights = build.op(
        "DequantizeLinear", np.full((1, 1, 1, 1), 127, np.int8), np.float32(0.01), np.int8(0)
    )
    conv = build.op("Conv", build.op("DequantizeLinear", level, scale, zero), weights)
    conv.name = "conv"
    out = build.op("DequantizeLinear", build.op("QuantizeLinear", conv, scale, zero), scale, zero)
    model = build.finish(y=(out, np.float32, (1, 1, 1, 1)))
    seen = Observer(model, ["conv"]).run(np.full((1, 1, 1, 1), 0.52, np.float32))
    np.testing.assert_allclose(seen["conv"], 0.635, atol=1e-6)
    np.testing.assert_allclose(seen["y"], 0.6, atol=1e-6)


def test_an_unknown_value_is_named() -> None:
    with pytest.raises(InputError, match="'nothing'"):
        Observer(scaled_conv(), ["nothing"])


def test_a_tensor_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be run"):
        Observer(scaled_conv(), ["conv"]).run(X[:, :2])


def test_several_inputs_are_given_by_name() -> None:
    build = GraphBuilder("g")
    total = build.op("Add", build.input("a", np.float32, (1,)), build.input("b", np.float32, (1,)))
    total.name = "total"
    model = build.finish(y=(build.op("Neg", total), np.float32, (1,)))
    one = np.ones(1, np.float32)
    seen = Observer(model, ["total"]).run({"a": one, "b": 2 * one})
    assert (seen["total"].item(), seen["y"].item()) == (3, -3)
