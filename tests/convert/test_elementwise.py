"""Arithmetic with broadcasting, and activations, in either layout."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.convert import to_tflite
from edgekit.graph.build import GraphBuilder
from tests.convert.engines import operators, require_same
from tests.convert.graphs import gives, normal, seeds

CASE = settings(max_examples=60, deadline=None)
Feeds = dict[str, Array]

ACTIVATIONS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Abs", (), {}),
    ("Ceil", (), {}),
    ("Clip", (-0.3, 0.7), {}),
    ("Clip", (0.0,), {}),
    ("Clip", (None, 0.5), {}),
    ("Clip", (-1.0, 1.0), {}),
    ("Cos", (), {}),
    ("Dropout", (), {}),
    ("Elu", (), {}),
    ("Elu", (), {"alpha": 0.3}),
    ("Exp", (), {}),
    ("Floor", (), {}),
    ("HardSigmoid", (), {}),
    ("HardSigmoid", (), {"alpha": 0.5, "beta": 0.25}),
    ("HardSwish", (), {}),
    ("Identity", (), {}),
    ("LeakyRelu", (), {}),
    ("LeakyRelu", (), {"alpha": 1.5}),
    ("LogSoftmax", (), {"axis": 1}),
    ("Neg", (), {}),
    ("PRelu", (0.25,), {}),
    ("Relu", (), {}),
    ("Round", (), {}),
    ("Sigmoid", (), {}),
    ("Sign", (), {}),
    ("Sin", (), {}),
    ("Softmax", (), {"axis": 1}),
    ("Softmax", (), {}),
    ("Tanh", (), {}),
]


@st.composite
def starts(draw: st.DrawFn, *, rank: int | None = None) -> tuple[GraphBuilder, ir.Value, Feeds]:
    """A value of the graph: its input, or what a Conv gives, which lies channels last."""
    sizes = st.lists(st.integers(1, 4), min_size=rank or 2, max_size=rank or 4)
    shape = tuple(draw(sizes))
    build = GraphBuilder("start")
    x = build.input("x", np.float32, shape)
    feeds = {"x": normal(shape, seed=draw(seeds))}
    if len(shape) in (3, 4) and draw(st.booleans()):
        value = build.op("Conv", x, normal((shape[1], shape[1], *[1] * (len(shape) - 2))))
        value.shape = ir.Shape(shape)
        return build, value, feeds
    return build, x, feeds


def shape_of(value: ir.Value) -> tuple[int, ...]:
    assert value.shape is not None
    return tuple(int(axis) for axis in value.shape if isinstance(axis, int))


@st.composite
def operands(draw: st.DrawFn, shape: tuple[int, ...]) -> Array:
    """A constant that broadcasts to a shape, away from zero."""
    kept = shape[draw(st.integers(0, len(shape))) :]
    sizes = [size if draw(st.booleans()) else 1 for size in kept]
    return np.abs(normal(sizes, seed=draw(seeds))) + np.float32(0.5)


@CASE
@given(starts(), st.data(), st.booleans())
def test_arithmetic_with_a_constant_gives_the_same(
    start: tuple[GraphBuilder, ir.Value, Feeds], data: st.DataObject, xnnpack: bool
) -> None:
    build, value, feeds = start
    shape = shape_of(value)
    for _ in range(data.draw(st.integers(1, 3))):
        kind = data.draw(st.sampled_from(["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"]))
        pair: list[ir.Value | Array] = [value, data.draw(operands(shape))]
        if kind != "Div" and data.draw(st.booleans()):
            pair.reverse()
        value = build.op(kind, *pair)
        if data.draw(st.booleans()):
            value = build.op("Relu", value)
    require_same(gives(build, len(shape), y=value), feeds, xnnpack=xnnpack)


@CASE
@given(starts(rank=4), st.sampled_from(["Add", "Sub", "Mul", "Max"]), st.data())
def test_arithmetic_of_two_layouts_gives_the_same(
    start: tuple[GraphBuilder, ir.Value, Feeds], kind: str, data: st.DataObject
) -> None:
    build, value, feeds = start
    shape = shape_of(value)
    axes = data.draw(st.lists(st.sampled_from(range(4)), max_size=3, unique=True))
    other = build.op("ReduceMean", value, axes=axes, keepdims=1) if axes else value
    if data.draw(st.booleans()):
        other = build.op("Neg", build._inputs[0])
    pair = [value, other] if data.draw(st.booleans()) else [other, value]
    require_same(gives(build, len(shape), y=build.op(kind, *pair)), feeds)


@pytest.mark.parametrize(("kind", "inputs", "attributes"), ACTIVATIONS)
@pytest.mark.parametrize("xnnpack", [True, False])
def test_an_activation_gives_the_same(
    kind: str, inputs: tuple[Any, ...], attributes: dict[str, Any], xnnpack: bool
) -> None:
    build = GraphBuilder("activation")
    x = build.input("x", np.float32, (2, 3, 5, 4))
    value = build.op("Conv", x, normal((3, 3, 1, 1)))
    model = gives(build, 4, y=build.op(kind, value, *inputs, **attributes))
    require_same(model, {"x": normal((2, 3, 5, 4))}, xnnpack=xnnpack)


@pytest.mark.parametrize("axis", range(-3, 3))
def test_a_softmax_is_over_any_axis(axis: int) -> None:
    build = GraphBuilder("softmax")
    x = build.input("x", np.float32, (2, 3, 5))
    model = gives(build, 3, y=build.op("Softmax", x, axis=axis))
    require_same(model, {"x": normal((2, 3, 5))})


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_layer_normalization_gives_the_same(axis: int, has_bias: bool) -> None:
    build = GraphBuilder("layer")
    shape = (2, 3, 5, 4)
    x = build.input("x", np.float32, shape)
    rest = shape[axis % 4 :]
    bias = [normal(rest, seed=1)] if has_bias else []
    value = build.op("Conv", x, normal((3, 3, 1, 1)))
    value = build.op("LayerNormalization", value, normal(rest), *bias, axis=axis)
    require_same(gives(build, 4, y=value), {"x": normal(shape)})


@pytest.mark.parametrize("how", ["none", "tanh"])
def test_a_gelu_gives_the_same(how: str) -> None:
    build = GraphBuilder("gelu")
    x = build.input("x", np.float32, (3, 5))
    model = gives(build, 2, y=build.op("Gelu", x, approximate=how))
    model.graph.opset_imports[""] = 20
    require_same(model, {"x": normal((3, 5))})


@pytest.mark.parametrize("kind", ["Log", "Reciprocal", "Sqrt"])
def test_a_function_of_positive_numbers_gives_the_same(kind: str) -> None:
    build = GraphBuilder("positive")
    x = build.input("x", np.float32, (3, 5))
    model = gives(build, 2, y=build.op(kind, x))
    require_same(model, {"x": np.abs(normal((3, 5))) + np.float32(0.1)})


@pytest.mark.parametrize(
    ("exponent", "code"), [(2.0, "MUL"), (0.5, "SQRT"), (1.7, "POW"), (np.int64(3), "POW")]
)
def test_a_power_gives_the_same(exponent: float, code: str) -> None:
    build = GraphBuilder("power")
    x = build.input("x", np.float32, (3, 5))
    model = gives(build, 2, y=build.op("Pow", x, exponent))
    assert require_same(model, {"x": np.abs(normal((3, 5)))}) == [code]


@pytest.mark.parametrize("slope", [(3, 1, 1), (1, 1, 1), (3, 1, 4), (2, 3, 5, 4)])
def test_a_prelu_has_a_slope_for_what_it_says(slope: tuple[int, ...]) -> None:
    build = GraphBuilder("prelu")
    x = build.input("x", np.float32, (2, 3, 5, 4))
    value = build.op("Conv", x, normal((3, 3, 1, 1)))
    model = gives(build, 4, y=build.op("PRelu", value, normal(slope)))
    require_same(model, {"x": normal((2, 3, 5, 4))})


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5), (2, 3, 4, 5)])
def test_a_batch_normalization_that_is_left_gives_the_same(shape: tuple[int, ...]) -> None:
    build = GraphBuilder("norm")
    x = build.input("x", np.float32, shape)
    statistics = [normal((3,), seed=seed) for seed in range(3)]
    variance = np.abs(normal((3,), seed=3)) + np.float32(0.1)
    value = build.op("Relu", build.op("BatchNormalization", x, *statistics, variance))
    used = require_same(gives(build, len(shape), y=value), {"x": normal(shape)})
    assert used == ["MUL", "ADD"]


def test_a_relu_that_alone_reads_an_add_is_fused() -> None:
    build = GraphBuilder("fused")
    x = build.input("x", np.float32, (2, 3))
    fused = gives(build, 2, y=build.op("Relu", build.op("Add", x, x)))
    assert operators(to_tflite(fused)) == ["ADD"]
    build = GraphBuilder("read_twice")
    x = build.input("x", np.float32, (2, 3))
    total = build.op("Add", x, x)
    both = build.op("Mul", build.op("Relu", total), total)
    assert require_same(gives(build, 2, y=both), {"x": normal((2, 3))}) == ["ADD", "RELU", "MUL"]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (np.uint8, np.float32),
        (np.float32, np.int32),
        (np.int32, np.float32),
        (np.float32, np.bool_),
    ],
)
def test_a_cast_gives_the_same(source: type, target: type) -> None:
    build = GraphBuilder("cast")
    x = build.input("x", source, (2, 5))
    value = build.op("Cast", x, to=int(ir.DataType.from_numpy(np.dtype(target))))
    numbers = np.array([[0, 1, 2, 100, 200], [3, 0, 5, 6, 7]]).astype(source)
    require_same(build.finish(y=(value, target, (2, 5))), {"x": numbers})
