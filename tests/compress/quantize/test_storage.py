"""Stored weights are the same integers again in onnxruntime, and are small when they travel."""

import lzma

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.compress.layers import Layer, linear_layers
from edgekit.compress.quantize.packing import PACKED_LEVELS
from edgekit.compress.quantize.rounding import (
    chosen_levels,
    entropy_bytes,
    every_level,
    round_nearest,
)
from edgekit.compress.quantize.storage import levels_for_trellis, levels_that_travel, store_weights
from edgekit.compress.quantize.trellis import Coded
from edgekit.compress.quantize.weights import Rounded
from edgekit.graph.build import GraphBuilder
from edgekit.graph.edit import set_constant
from tests.compress.quantize.nets import answers, fused, inputs_of, kinds, net, optimised

SCALE = 0.02
KINDS = ["Conv", "grouped", "Gemm", "turned", "MatMul"]


def layer_model(
    kind: str, outputs: int = 3, inputs: int = 8, bias: Array | None = None
) -> ir.Model:
    """uint8 values, a layer of some kind, and what it gives as float."""
    rng = np.random.default_rng(0)

    def numbers(*shape: int) -> Array:
        return rng.normal(size=shape).astype(np.float32)

    def body(build: GraphBuilder, x: ir.Value) -> ir.Value:
        pair = [np.float32(SCALE), np.uint8(128)]
        x = build.op("DequantizeLinear", build.op("QuantizeLinear", x, *pair), *pair)
        if kind == "Conv":
            return build.op("Conv", x, numbers(outputs, inputs, 3, 3), bias)
        if kind == "grouped":
            return build.op("Conv", x, numbers(outputs, inputs // 2, 3, 3), bias, group=2)
        if kind == "MatMul":
            return build.op("MatMul", x, numbers(inputs, outputs))
        if kind == "Gemm":
            return build.op("Gemm", x, numbers(inputs, outputs), bias)
        return build.op("Gemm", x, numbers(outputs, inputs), bias, transB=1)

    return net(body, (1, inputs, 5, 5) if kind in ("Conv", "grouped") else (2, inputs))


def stored(model: ir.Model, levels: Array, steps: Array | None = None) -> tuple[ir.Model, Rounded]:
    """The model with random integers of these levels as weights."""
    (layer,) = linear_layers(model)
    rng = np.random.default_rng(1)
    integers = rng.choice(levels, layer.matrix().shape)
    steps = np.full(layer.outputs, 0.01) if steps is None else steps
    rounded = Rounded(integers, steps, levels)
    made = model.clone()
    (layer,) = linear_layers(made)
    set_constant(made, layer.node, 1, layer.shaped(rounded.matrix))
    store_weights(made, {layer.name: rounded}, {layer.name: SCALE})
    return made, rounded


def with_floats(model: ir.Model, rounded: Rounded) -> ir.Model:
    made = model.clone()
    (layer,) = linear_layers(made)
    set_constant(made, layer.node, 1, layer.shaped(rounded.matrix))
    return made


def integers_that_run(model: ir.Model) -> Array:
    """The int8 weights in the graph that onnxruntime runs."""
    arrays = [onnx.numpy_helper.to_array(tensor) for tensor in optimised(model).graph.initializer]
    (weights,) = (array for array in arrays if array.dtype == np.int8 and array.size > 8)
    return weights


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_stored_weights_compute_what_their_floats_do(kind: str, per_channel: bool) -> None:
    bias = None if kind == "MatMul" else np.random.default_rng(2).normal(size=4).astype(np.float32)
    model = layer_model(kind, outputs=4, bias=bias)
    steps = np.array([0.01, 0.003, 0.07, 0.02]) if per_channel else None
    made, rounded = stored(model, every_level(63), steps)
    tensors = inputs_of(model, 3)
    expected = answers(with_floats(model, rounded), tensors)
    np.testing.assert_allclose(answers(made, tensors, fuses=False), expected, atol=1e-3, rtol=1e-3)
    np.testing.assert_allclose(answers(made, tensors), expected, atol=1e-3, rtol=1e-3)
    scale = next(v for n, v in made.graph.initializers.items() if n.endswith("_scale"))
    assert scale.const_value is not None
    assert scale.const_value.shape.rank() == int(per_channel)


@pytest.mark.parametrize("kind", ["Gemm", "turned", "MatMul"])
def test_dense_weights_are_multiplied_as_integers(kind: str) -> None:
    made, _ = stored(layer_model(kind), every_level(63), np.array([0.01, 0.02, 0.03]))
    assert not {"Gemm", "MatMul", "DequantizeLinear"} & set(fused(made)) - {"DequantizeLinear"}
    assert fused(made)["QGemm"] + fused(made)["MatMulIntegerToFloat"] == 1


@pytest.mark.parametrize("kind", ["Conv", "Gemm"])
def test_biases_are_int32_in_units_of_the_products(kind: str) -> None:
    bias = np.array([0.5, -3, 1e-9], np.float32)
    made, _ = stored(layer_model(kind, bias=bias), every_level(63), np.array([0.01, 0.02, 0.03]))
    node = next(node for node in made.graph if node.op_type == kind)
    dequantize = node.inputs[2].producer()  # type: ignore[union-attr]
    integers, scale = (value.const_value.numpy() for value in dequantize.inputs)  # type: ignore[union-attr]
    assert integers.dtype == np.int32
    np.testing.assert_allclose(scale, np.array([0.01, 0.02, 0.03]) * SCALE, rtol=1e-6)
    np.testing.assert_array_equal(integers, np.rint(bias / scale))


def test_a_bias_too_large_for_tiny_weights_is_kept_whole() -> None:
    """In units of products of weights of 1e-12 it would be beyond int32."""
    bias = np.array([0.5, -30, 40], np.float32)
    model = layer_model("Conv", bias=bias)
    made, rounded = stored(model, every_level(63), np.array([0.01, 1e-12, 1e-9]))
    tensors = inputs_of(model, 3)
    expected = answers(with_floats(model, rounded), tensors)
    assert expected.max() > 30
    np.testing.assert_allclose(answers(made, tensors), expected, rtol=1e-3, atol=1e-3)


PACKED: dict[str, tuple[str, int, int, Array]] = {
    "16 levels": ("Conv", 64, 8, np.arange(-8, 8)),
    "spread levels": ("Conv", 64, 8, np.array([-60, -9, -4, -2, -1, 0, 1, 2, 3, 5, 9, 17, 40])),
    "3 levels": ("Conv", 64, 8, np.array([-1, 0, 1])),
    "only zeros": ("Conv", 64, 8, np.array([0])),
    "odd": ("Conv", 57, 9, np.arange(-7, 8)),
    "odd with few": ("Conv", 57, 9, np.array([-30, 0, 2])),
    "grouped": ("grouped", 128, 8, np.arange(-7, 8)),
    "Gemm": ("Gemm", 65, 65, np.arange(-7, 8)),
    "turned": ("turned", 65, 65, np.arange(-7, 8)),
    "MatMul": ("MatMul", 64, 64, np.arange(-7, 8)),
}


@pytest.mark.parametrize("name", PACKED)
def test_two_weights_share_a_byte_and_come_apart_at_loading(name: str) -> None:
    kind, outputs, inputs, levels = PACKED[name]
    model = layer_model(kind, outputs=outputs, inputs=inputs)
    made, rounded = stored(model, levels)
    (layer,) = linear_layers(model)
    assert layer.weights.size >= 4096
    sizes = [tensor.const_value.nbytes for tensor in made.graph.initializers.values()]  # type: ignore[union-attr]
    assert max(sizes) == (layer.weights.size + 1) // 2
    assert kinds(made)["Gather"] == 1
    found = fused(made)
    assert not set(found) & {"Gather", "Cast", "Reshape", "Slice"}
    expected = layer.shaped(rounded.integers)
    running = integers_that_run(made)
    np.testing.assert_array_equal(running.reshape(expected.shape), expected)
    tensors = inputs_of(model, 2)
    floats = answers(with_floats(model, rounded), tensors)
    np.testing.assert_allclose(answers(made, tensors), floats, rtol=1e-3, atol=1e-3)


CODED = {
    "packed": ("Conv", 64, 8, np.arange(-8, 8)),
    "spread levels": ("Conv", 64, 8, np.array([-31, -9, -4, -2, -1, 0, 1, 2, 3, 5, 20])),
    "odd": ("Conv", 57, 10, np.arange(-7, 8)),
    "one a byte": ("Conv", 64, 8, every_level(63)),
    "Gemm": ("Gemm", 65, 66, np.arange(-7, 8)),
    "turned": ("turned", 65, 66, np.arange(-7, 8)),
    "MatMul": ("MatMul", 64, 64, np.arange(-7, 8)),
}


@pytest.mark.parametrize("name", CODED)
def test_walks_through_a_trellis_are_integers_when_the_model_runs(name: str) -> None:
    kind, outputs, inputs, levels = CODED[name]
    model = layer_model(kind, outputs=outputs, inputs=inputs)
    (layer,) = linear_layers(model)
    rng = np.random.default_rng(1)
    _, rows, columns = layer.matrix().shape
    channels = columns // int(np.prod(layer.weights.shape[2:]))
    coded = Coded(rng.choice(levels, (rows, columns)), rng.permutation(channels))
    rounded = Rounded(coded.integers[np.newaxis], np.full(rows, 0.01), levels, coded)
    made = with_floats(model, rounded)
    store_weights(made, {layer.name: rounded}, {layer.name: SCALE})
    assert not set(fused(made)) & {"CumSum", "Gather", "Cast", "Mod", "Pad", "Transpose"}
    expected = layer.shaped(rounded.integers)
    np.testing.assert_array_equal(integers_that_run(made).reshape(expected.shape), expected)
    tensors = inputs_of(model, 2)
    floats = answers(with_floats(model, rounded), tensors)
    np.testing.assert_allclose(answers(made, tensors), floats, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "limit", "can_be"),
    [
        ((1, 64, 64), 63, True),
        ((1, 64, 62), 63, False),  # too few weights
        ((1, 99, 63), 63, False),  # an odd number in each row
        ((2, 64, 64), 63, False),
        ((1, 64, 64), 1, False),  # no index but 0
    ],
)
def test_a_trellis_needs_many_weights_in_even_rows(
    shape: tuple[int, ...], limit: int, can_be: bool
) -> None:
    scaled = np.random.default_rng(0).laplace(0, 1.2, shape)
    levels = levels_for_trellis(scaled, limit=limit)
    assert (levels is not None) == can_be
    assert levels is None or np.abs(levels).max() <= limit // 2


@pytest.mark.parametrize(
    ("outputs", "levels"), [(10, np.arange(-7, 8)), (64, np.arange(-8, 9))], ids=["small", "many"]
)
def test_small_layers_and_many_levels_lie_one_a_byte(outputs: int, levels: Array) -> None:
    made, _ = stored(layer_model("Conv", outputs=outputs), levels)
    assert kinds(made)["Gather"] == 0


def test_packed_weights_travel_at_about_3_percent_above_their_entropy() -> None:
    model = layer_model("Conv", outputs=256, inputs=64)
    (layer,) = linear_layers(model)
    weights = np.random.default_rng(0).laplace(0, 1.2, layer.matrix().shape)
    levels = levels_that_travel(weights, limit=63)
    assert len(levels) == PACKED_LEVELS
    rounded = Rounded(round_nearest(weights, levels), np.full(256, 0.01), levels)

    def travels(rounded: Rounded) -> int:
        made = with_floats(model, rounded)
        store_weights(made, {layer.name: rounded}, {layer.name: SCALE})
        data = ir.to_proto(made).SerializeToString()
        return len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))

    empty = Rounded(np.zeros_like(rounded.integers), rounded.steps, levels)
    weighs, entropy = travels(rounded) - travels(empty), entropy_bytes(rounded.integers)
    assert weighs < 1.035 * entropy
    unpacked = Rounded(rounded.integers, rounded.steps, every_level(63))
    assert travels(unpacked) - travels(empty) > 1.045 * entropy


@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 6), st.integers(0, 2**32 - 1))
def test_fewer_levels_are_taken_only_where_they_cost_a_tenth_of_rounding(
    spread: float, seed: int
) -> None:
    weights = np.random.default_rng(seed).laplace(0, spread, 5000)
    levels = levels_that_travel(weights, limit=63)
    few = chosen_levels(weights, PACKED_LEVELS, limit=63)
    everything = every_level(63)
    added = np.square(round_nearest(weights, everything) - round_nearest(weights, few)).mean()
    assert len(levels) == (len(few) if added <= 1 / 120 else len(everything))
    error = np.square(weights - round_nearest(weights, levels)).mean()
    assert error <= np.square(weights - round_nearest(weights, everything)).mean() + 1 / 120 + 0.05


def test_a_small_layer_has_every_level() -> None:
    np.testing.assert_array_equal(levels_that_travel(np.zeros(100), limit=7), np.arange(-7, 8))


def test_a_layer_that_was_not_rounded_stays_as_it_is() -> None:
    model = layer_model("Conv")
    before = ir.to_proto(model).SerializeToString()
    store_weights(model, {}, {})
    assert ir.to_proto(model).SerializeToString() == before
    assert isinstance(linear_layers(model)[0], Layer)
