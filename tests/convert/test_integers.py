"""Quantised graphs: LiteRT's integers are onnxruntime's.

Conv, dense layers, MaxPool, Concat, Mul, Sub and what moves are equal; XNNPACK rounds Add, means,
LeakyRelu and linear Resize its own way, so that a few numbers are 1 off.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.convert import to_tflite
from edgekit.convert.check import compare
from edgekit.graph.build import GraphBuilder
from tests.convert.engines import (
    litert_gives,
    litert_integers,
    onnxruntime_gives,
    onnxruntime_integers,
    operators,
)
from tests.convert.graphs import QuantizedBuilder, gives, normal, on_grid, seeds

CASE = settings(max_examples=40, deadline=None)
Feeds = dict[str, Array]
Operator = Callable[[QuantizedBuilder, ir.Value, float], ir.Value]


def differences(
    operator: Operator,
    shape: tuple[int, ...],
    rank: int,
    *,
    seed: int = 0,
    zero_point: int = 0,
    grid: tuple[float, int] | None = None,
) -> tuple[Array, list[str]]:
    """How far apart the integers of an operator are, and TFLite's operators.

    The operator reads a quantised value, and gives one on a grid that its numbers about fill.
    """
    rng = np.random.default_rng(seed)
    x_scale = float(np.float32(rng.uniform(0.01, 0.1)))
    feeds = {"x": on_grid(shape, x_scale, zero_point, seed=seed)}

    def model(*, out: tuple[float, int] | None) -> ir.Model:
        build = QuantizedBuilder("one")
        x = build.quantized(build.input("x", np.float32, shape), x_scale, zero_point)
        value = operator(build, x, x_scale)
        return gives(build, rank, y=value if out is None else build.quantized(value, *out))

    if grid is None:
        numbers = onnxruntime_gives(model(out=None), feeds)["y"]
        low, high = min(numbers.min() * 0.9, 0.0), max(numbers.max() * 0.9, 0.01)
        scale = float(np.float32((high - low) / 255))
        grid = scale, round(-low / scale)
    quantized = model(out=grid)
    data = to_tflite(quantized, check=False)
    expected, found = onnxruntime_gives(quantized, feeds)["y"], litert_gives(data, feeds)["y"]
    return np.rint(np.abs(found - expected) / np.float32(grid[0])), operators(data)


@CASE
@given(
    st.tuples(*[st.integers(1, 3)] * 2),
    st.tuples(*[st.integers(1, 2)] * 4),
    st.sampled_from([(1, 5, 7), (1, 16, 8), (6, 1, 1), (6, 1, 2), (2, 3, 4)]),
    st.sampled_from(["none", "Relu", "Clip"]),
    st.sampled_from([0, 131]),
    st.booleans(),
    seeds,
)
def test_a_convolution_gives_equal_integers(
    kernel: tuple[int, int],
    windows: tuple[int, int, int, int],
    channels: tuple[int, int, int],
    after: str,
    zero_point: int,
    per_channel: bool,
    seed: int,
) -> None:
    group, depth, count = channels
    weights = normal((group * count, depth, *kernel), seed=seed)

    def operator(build: QuantizedBuilder, x: ir.Value, x_scale: float) -> ir.Value:
        value = build.linear(
            "Conv", x, weights, x_scale=x_scale, bias=normal((group * count,)), group=group,
            per_channel=per_channel, strides=windows[:2], dilations=windows[2:], pads=[1, 0, 1, 1],
        )  # fmt: skip
        bounds = (0.0, 6.0) if after == "Clip" else ()
        return value if after == "none" else build.op(after, value, *bounds)

    found, _ = differences(operator, (1, group * depth, 8, 7), 4, seed=seed, zero_point=zero_point)
    assert not found.any()


@CASE
@given(
    st.sampled_from([(3, 8), (64, 10), (33, 17)]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    seeds,
)
def test_a_dense_layer_gives_equal_integers(
    sizes: tuple[int, int], is_gemm: bool, per_channel: bool, has_relu: bool, seed: int
) -> None:
    depth, width = sizes
    weights = normal((width, depth), seed=seed)

    def operator(build: QuantizedBuilder, x: ir.Value, x_scale: float) -> ir.Value:
        kind: dict[str, Any] = {"x_scale": x_scale, "per_channel": per_channel}
        if is_gemm:
            value = build.linear("Gemm", x, weights, bias=normal((width,)), transB=1, **kind)
        else:
            value = build.linear("MatMul", x, weights.T, axis=1, **kind)
        return build.op("Relu", value) if has_relu else value

    found, used = differences(operator, (2, depth), 2, seed=seed, zero_point=100)
    assert not found.any()
    assert used == ["QUANTIZE", "FULLY_CONNECTED", "DEQUANTIZE"]


def with_constant(kind: str) -> Operator:
    numbers = np.random.default_rng(0).integers(0, 256, (1, 5, 1, 1)).astype(np.uint8)
    return lambda build, x, _: build.op(kind, x, build.stored(numbers, 0.05, 77))


def with_activation(kind: str) -> Operator:
    def operator(build: QuantizedBuilder, x: ir.Value, _: float) -> ir.Value:
        return build.op(kind, x, build.quantized(build.op("Neg", x), 0.07, 99))

    return operator


def alone(kind: str, *inputs: Any, **attributes: Any) -> Operator:
    return lambda build, x, _: build.op(kind, x, *inputs, **attributes)


def joined(build: QuantizedBuilder, x: ir.Value, _: float) -> ir.Value:
    other = build.quantized(build.op("Neg", x), 0.07, 99)
    return build.op("Concat", x, other, axis=1)


SQUARE = np.array([1, 1, 2, 2], np.float32)
EQUAL: dict[str, Operator] = {
    "Concat of two grids": joined,
    "Flatten": alone("Reshape", np.array([1, 5, 6, 4])),
    "MaxPool": alone("MaxPool", kernel_shape=[2, 3], strides=[2, 1], pads=[1, 1, 0, 1]),
    "Max": with_activation("Max"),
    "Mul": with_activation("Mul"),
    "Mul by a constant": with_constant("Mul"),
    "Pad": alone("Pad", np.array([0, 0, 1, 0, 0, 0, 2, 1])),
    "ReduceMax": alone("ReduceMax", axes=[1], keepdims=1),
    "Relu": alone("Relu"),
    "Resize": alone("Resize", None, SQUARE, mode="nearest"),
    "Slice": alone("Slice", np.array([1]), np.array([6]), np.array([2]), np.array([2])),
    "Sub": with_activation("Sub"),
    "Sub of a constant": with_constant("Sub"),
    "Transpose": alone("Transpose", perm=[0, 2, 1, 3]),
}
NEAR: dict[str, Operator] = {
    "Add": with_activation("Add"),
    "Add of a constant": with_constant("Add"),
    "AveragePool": alone("AveragePool", kernel_shape=[2, 3]),
    "AveragePool with padding": alone("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "Clip": alone("Clip", -0.5, 0.5),
    "Exp": alone("Exp"),
    "GlobalAveragePool": alone("GlobalAveragePool"),
    "HardSwish": alone("HardSwish"),
    "Pad with a number": alone("Pad", np.array([0, 0, 1, 0, 0, 0, 2, 1]), 0.7),
    "LeakyRelu": alone("LeakyRelu", alpha=0.3),
    "ReduceMean": alone("ReduceMean", axes=[2], keepdims=1),
    "linear Resize": alone("Resize", None, SQUARE, mode="linear"),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", EQUAL)
def test_an_operator_gives_equal_integers(name: str, seed: int) -> None:
    found, _ = differences(EQUAL[name], (1, 5, 6, 4), 4, seed=seed, zero_point=120)
    assert not found.any()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NEAR)
def test_an_operator_gives_integers_1_off_at_most(name: str, seed: int) -> None:
    found, _ = differences(NEAR[name], (1, 5, 6, 4), 4, seed=seed, zero_point=120)
    assert found.max() <= 1
    assert found.mean() < 0.25


@pytest.mark.parametrize(
    ("kind", "code", "grid"),
    [
        ("Sigmoid", "LOGISTIC", (1 / 256, 0)),
        ("Softmax", "SOFTMAX", (1 / 256, 0)),
        ("Tanh", "TANH", (1 / 128, 128)),
    ],
)
def test_an_activation_on_its_fixed_grid_is_computed_in_integers(
    kind: str, code: str, grid: tuple[float, int]
) -> None:
    found, used = differences(alone(kind), (4, 20), 2, zero_point=120, grid=grid)
    assert found.max() <= 1
    assert used == ["QUANTIZE", code, "DEQUANTIZE"]


@pytest.mark.parametrize("kind", ["Sigmoid", "Softmax", "Tanh"])
def test_an_activation_on_another_grid_is_computed_in_float(kind: str) -> None:
    found, used = differences(alone(kind), (4, 20), 2, zero_point=120, grid=(0.009, 120))
    assert found.max() <= 1
    assert used.count("QUANTIZE") == 2
    assert used.count("DEQUANTIZE") == 2


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("per_channel", [True, False])
def test_a_transposed_convolution_gives_integers_1_off_at_most(
    group: int, per_channel: bool
) -> None:
    weights = normal((4, 3, 3, 2))

    def operator(build: QuantizedBuilder, x: ir.Value, x_scale: float) -> ir.Value:
        return build.linear(
            "ConvTranspose", x, weights, x_scale=x_scale, axis=1, per_channel=per_channel,
            group=group, strides=[2, 2], pads=[1, 0, 0, 1],
        )  # fmt: skip

    found, used = differences(operator, (1, 4, 5, 4), 4, zero_point=90)
    assert found.max() <= 1
    assert used.count("DEQUANTIZE") == 1


def picture_net() -> tuple[ir.Model, Feeds]:
    """uint8 pixels to scores: fire modules, a residual, pools, a dense head, Softmax in float."""
    build = QuantizedBuilder("net")
    image = build.input("image", np.uint8, (1, 12, 12, 3))
    value = build.op("Transpose", image, perm=[0, 3, 1, 2])
    value = build.op("DequantizeLinear", value, np.float32(1), np.uint8(0))

    def conv(
        x: ir.Value, x_scale: float, shape: tuple[int, ...], scale: float, seed: int, **how: Any
    ) -> ir.Value:
        made = build.linear(
            "Conv", x, normal(shape, seed=seed) * 0.3, x_scale=x_scale,
            bias=normal(shape[:1], seed=seed + 1), **how,
        )  # fmt: skip
        return build.quantized(build.op("Relu", made), scale)

    value = conv(value, 1.0, (8, 3, 3, 3), 2.5, 0, strides=[2, 2])
    pooled = build.op("MaxPool", value, kernel_shape=[2, 2], strides=[1, 1], pads=[0, 0, 1, 1])
    value = build.quantized(pooled, 2.5)
    left = conv(value, 2.5, (4, 8, 1, 1), 4.0, 2)
    right = conv(value, 2.5, (4, 8, 3, 3), 4.0, 4, pads=[1, 1, 1, 1])
    value = build.quantized(build.op("Concat", left, right, axis=1), 4.0)
    value = conv(value, 4.0, (8, 1, 3, 3), 6.0, 6, pads=[1, 1, 1, 1], group=8)
    flat = build.quantized(build.op("Flatten", value, axis=1), 6.0)
    logits = build.linear(
        "Gemm", flat, normal((5, 200)) * 0.002, x_scale=6.0, bias=normal((5,)), transB=1
    )
    logits = build.quantized(logits, 0.05, 128)
    scores = build.op("Softmax", logits, axis=1)
    rng = np.random.default_rng(9)
    pixels = rng.integers(0, 256, (1, 12, 12, 3)).astype(np.uint8)
    return build.finish(scores=(scores, np.float32, (1, 5))), {"image": pixels}


def test_a_net_of_pixels_gives_equal_integers_all_the_way() -> None:
    model, feeds = picture_net()
    data = to_tflite(model)
    expected, found = onnxruntime_integers(model, feeds), litert_integers(data, feeds)
    assert len(expected) == 8
    for name, integers in expected.items():
        ours = found[name]
        if ours.shape == (1, 200):  # flattened as it lies, channels last
            ours = ours.reshape(1, 5, 5, 8)
        if ours.ndim == 4:
            ours = ours.transpose(0, 3, 1, 2).reshape(integers.shape)
        np.testing.assert_array_equal(ours, integers, err_msg=name)
        assert integers.std() > 0
    scores = litert_gives(data, feeds)["scores"]
    np.testing.assert_allclose(scores, onnxruntime_gives(model, feeds)["scores"], atol=1e-6)


def test_a_net_of_pixels_has_no_transpose_and_one_conversion_at_each_end() -> None:
    used = operators(to_tflite(picture_net()[0]))
    assert used[0] == "QUANTIZE"
    assert used[-2:] == ["DEQUANTIZE", "SOFTMAX"]
    assert not set(used[1:-2]) & {"QUANTIZE", "DEQUANTIZE", "TRANSPOSE"}


@pytest.mark.parametrize("how", [{}, {"pads": [1, 0, 0, 1], "count_include_pad": 1}])
def test_a_mean_over_windows_differs_where_it_is_a_tie_on_any_grid(how: dict[str, Any]) -> None:
    pool = alone("AveragePool", kernel_shape=[3, 2], strides=[2, 1], **how)
    found, used = differences(pool, (1, 5, 9, 7), 4, zero_point=120)
    assert found.max() <= 1
    assert found.mean() < 0.1
    assert "DEPTHWISE_CONV_2D" in used


def test_a_layer_left_in_float_is_an_island() -> None:
    build = QuantizedBuilder("island")
    x = build.quantized(build.input("x", np.float32, (1, 4, 6, 6)), 0.05, 128)
    value = build.linear("Conv", x, normal((4, 4, 1, 1)), x_scale=0.05)
    value = build.quantized(value, 0.1, 128)
    value = build.quantized(build.op("Conv", value, normal((4, 4, 3, 3))), 0.2, 128)
    model = gives(build, 4, y=build.linear("Conv", value, normal((4, 4, 1, 1)), x_scale=0.2))
    data = to_tflite(model)
    # fused, onnxruntime quantises the weights of the layer in the middle by itself
    (found,) = compare(model, data, fuse_quantized=False)
    assert found.relative < 1e-6
    used = [code for code in operators(data) if code != "TRANSPOSE"]
    assert used == [
        "QUANTIZE", "CONV_2D", "DEQUANTIZE", "CONV_2D",
        "QUANTIZE", "DEQUANTIZE", "DEQUANTIZE", "CONV_2D",
    ]  # fmt: skip


def test_a_clip_to_what_the_grid_holds_anyway_is_left_out() -> None:
    def operator(build: QuantizedBuilder, x: ir.Value, x_scale: float) -> ir.Value:
        return build.op(
            "Clip", build.linear("Conv", x, normal((4, 4, 1, 1)), x_scale=x_scale), 0.0, 4.0
        )

    found, used = differences(operator, (1, 4, 5, 5), 4, zero_point=99, grid=(4.0 / 255, 0))
    assert not found.any()
    assert "CONV_2D" in used
    assert not set(used) & {"MINIMUM", "MAXIMUM"}


def test_an_integer_output_is_as_onnx_has_it() -> None:
    build = QuantizedBuilder("bytes")
    x = build.quantized(build.input("x", np.float32, (1, 4, 5, 5)), 0.05, 128)
    value = build.linear("Conv", x, normal((3, 4, 1, 1)), x_scale=0.05)
    value = build.op("QuantizeLinear", value, np.float32(0.1), np.uint8(120))
    model = build.finish(y=(value, np.uint8, (1, 3, 5, 5)))
    feeds = {"x": on_grid((1, 4, 5, 5), 0.05, 128)}
    found = litert_gives(to_tflite(model), feeds)["y"]
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, onnxruntime_gives(model, feeds)["y"])


@pytest.mark.parametrize("dtype", [np.int16, np.uint16])
def test_activations_of_16_bits_are_floats_that_saturate(dtype: type) -> None:
    build = GraphBuilder("wide")
    x = build.input("x", np.float32, (4, 5))
    grid = np.float32(1e-4), dtype(0)
    value = build.op("DequantizeLinear", build.op("QuantizeLinear", x, *grid), *grid)
    value.name = "y"
    model = gives(build, 2, y=value)
    model.graph.opset_imports[""] = 21
    feeds = {"x": normal((4, 5)) * 10}
    found = litert_gives(to_tflite(model, check=False), feeds)["y"]
    np.testing.assert_allclose(found, onnxruntime_gives(model, feeds)["y"], atol=1e-4)
    assert found.max() <= np.iinfo(dtype).max * 1.0001e-4 < feeds["x"].max()
