"""Gradients of functions of single numbers, and of arithmetic with broadcasting."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import BroadcastableShapes, mutually_broadcastable_shapes

from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import apart, check

PAIRS = mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4)
TRIPLES = mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3)


@given(PAIRS, st.sampled_from(["Add", "Sub", "Mul", "Div", "Pow"]))
@settings(max_examples=60, deadline=None)
def test_arithmetic_with_broadcasting(shapes: BroadcastableShapes, kind: str) -> None:
    a, b = (apart(*shape, seed=seed) for seed, shape in enumerate(shapes.input_shapes))
    if kind == "Div":
        b = np.asarray(np.sign(b) * (np.abs(b) + 0.5))
    if kind == "Pow":
        a = np.asarray(np.abs(a) + 0.5)

    def net(build: GraphBuilder, left: ir.Value, right: ir.Value) -> ir.Value:
        return build.op(kind, left, right)

    check(net, {"a": a, "b": b})


@given(TRIPLES, st.sampled_from(["Sum", "Max", "Min"]))
@settings(max_examples=30, deadline=None)
def test_three_values_with_broadcasting(shapes: BroadcastableShapes, kind: str) -> None:
    values = {
        name: np.asarray(apart(*shape, seed=seed) + np.float32(seed * 1e-2))
        for seed, (name, shape) in enumerate(zip("abc", shapes.input_shapes, strict=True))
    }
    check(lambda build, *values: build.op(kind, *values), values)


@given(PAIRS)
@settings(max_examples=20, deadline=None)
def test_where_with_broadcasting(shapes: BroadcastableShapes) -> None:
    a, b = (apart(*shape, seed=seed) for seed, shape in enumerate(shapes.input_shapes))
    condition = np.random.default_rng(2).random(shapes.result_shape) < 0.5

    def net(build: GraphBuilder, left: ir.Value, right: ir.Value) -> ir.Value:
        return build.op("Where", build.constant(condition), left, right)

    check(net, {"a": a, "b": b})


@pytest.mark.parametrize("exponent", [2.0, 3.0, -1.0, np.int64(2)])
def test_a_constant_power_of_numbers_of_either_sign(exponent: float) -> None:
    check(lambda build, x: build.op("Pow", x, exponent), {"x": apart(3, 4)})


def test_a_value_that_a_node_reads_twice_gets_both_shares() -> None:
    check(lambda build, x: build.op("Mul", x, x), {"x": apart(2, 3)})


@pytest.mark.parametrize(
    "kind",
    [
        *("Abs", "Cos", "Erf", "Exp", "HardSwish", "Neg", "Reciprocal", "Relu", "Sigmoid", "Sin"),
        *("Softplus", "Tanh"),
    ],
)
def test_one_number_in_one_out(kind: str) -> None:
    check(lambda build, x: build.op(kind, x), {"x": 3 * apart(3, 4)})


@pytest.mark.parametrize("kind", ["Log", "Sqrt"])
def test_one_number_above_0_in_one_out(kind: str) -> None:
    check(lambda build, x: build.op(kind, x), {"x": np.abs(apart(3, 4)) + 0.1})


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str) -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("Gelu", x, approximate=approximate)

    check(net, {"x": apart(3, 4)}, opset=20)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("Elu", {}),
        ("Elu", {"alpha": 0.3}),
        ("LeakyRelu", {"alpha": 0.3}),
        ("LeakyRelu", {"alpha": -0.3}),
        ("HardSigmoid", {}),
        ("HardSigmoid", {"alpha": 0.7, "beta": 0.1}),
    ],
)
def test_activations_with_settings(kind: str, attributes: dict[str, float]) -> None:
    check(lambda build, x: build.op(kind, x, **attributes), {"x": 2 * apart(3, 4)})


@pytest.mark.parametrize("shape", [(1,), (3, 1, 1), (2, 3, 2, 2)])
def test_prelu(shape: tuple[int, ...]) -> None:
    inputs = {"x": apart(2, 3, 2, 2), "slope": apart(*shape, seed=1)}
    check(lambda build, x, slope: build.op("PRelu", x, slope), inputs)


def test_clip_between_limits_that_are_values_too() -> None:
    inputs = {"x": apart(4, 5), "low": np.array(-0.7, np.float32), "high": np.array(1, np.float32)}
    check(lambda build, *values: build.op("Clip", *values), inputs)


@pytest.mark.parametrize("limits", [(), (None, 0.5), (0.5,), (-0.5, 0.5)])
def test_clip_between_constants(limits: tuple[float | None, ...]) -> None:
    check(lambda build, x: build.op("Clip", x, *limits), {"x": apart(4, 5)})
