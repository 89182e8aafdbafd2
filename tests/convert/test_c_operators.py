"""Each operator in C gives LiteRT's integers, every one of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.convert import to_tflite
from edgekit.convert.c.reading import read_network
from tests.convert.c_harness import Running
from tests.convert.graphs import QuantizedBuilder, gives, normal, seeds

CASE = settings(max_examples=8, deadline=None)
Operator = Callable[[QuantizedBuilder, ir.Value], ir.Value]
X_SCALE = 0.037


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("operators")


def require_equal(
    operator: Operator,
    shape: tuple[int, ...],
    folder: Path,
    *,
    grid: tuple[float, int] | None = None,
    zero_point: int = 120,
    count: int = 150,
    seed: int = 0,
    layout: str = "first",
    may_be_flat: bool = False,
) -> tuple[str, ...]:
    """Compares every int8 number that an operator on a quantised value gives; names the kernels.

    With the layout `last`, a 1 x 1 Conv stands in front, so that the operator's channels are last.
    """
    rng = np.random.default_rng(seed)
    build = QuantizedBuilder("one")
    x = build.quantized(build.input("x", np.float32, shape), X_SCALE, zero_point)
    if layout == "last":
        eye = np.eye(shape[1], dtype=np.float32).reshape(
            shape[1], shape[1], *[1] * (len(shape) - 2)
        )
        x = build.linear("Conv", x, eye, x_scale=X_SCALE)
        x = build.quantized(x, X_SCALE, zero_point)
    value = operator(build, x)
    model = gives(build, 2, y=build.quantized(value, *(grid or (0.05, 117))))
    model.graph.outputs[0].shape = None
    data = to_tflite(model, check=False)
    running = Running.up_to(data, None, folder)
    low, high = X_SCALE * (0 - zero_point), X_SCALE * (255 - zero_point)
    inputs = rng.uniform(low * 1.1, high * 1.1, (count, *shape)).astype(np.float32)
    integers, outputs, _ = running.litert(inputs)
    np.testing.assert_array_equal(running.prepare(inputs), integers)
    found = running.run(integers)
    assert found.dtype == outputs.dtype == np.int8
    np.testing.assert_array_equal(found, outputs)
    assert outputs.std() > 0 or may_be_flat
    return running.model.kernels()


@CASE
@given(
    st.tuples(*[st.integers(1, 4)] * 2),
    st.tuples(*[st.integers(1, 2)] * 4),
    st.sampled_from([(1, 5, 7), (1, 16, 8), (6, 1, 1), (6, 1, 2)]),
    st.sampled_from(["none", "Relu", "Clip"]),
    st.sampled_from([0, 131, 255]),
    st.booleans(),
    st.booleans(),
    seeds,
)
def test_a_convolution(
    folder: Path,
    kernel: tuple[int, int],
    steps: tuple[int, int, int, int],
    channels: tuple[int, int, int],
    after: str,
    zero_point: int,
    per_channel: bool,
    is_signal: bool,
    seed: int,
) -> None:
    group, depth, width = channels
    axes = 1 if is_signal else 2
    weights = normal((group * width, depth, *kernel[:axes]), seed=seed)
    how: dict[str, Any] = {
        "strides": steps[:axes], "dilations": steps[2 : 2 + axes],
        "pads": [1, 2] if is_signal else [1, 0, 1, 1],
    }  # fmt: skip

    def operator(build: QuantizedBuilder, x: ir.Value) -> ir.Value:
        value = build.linear(
            "Conv", x, weights, x_scale=X_SCALE, bias=normal((group * width,)), group=group,
            per_channel=per_channel, **how,
        )  # fmt: skip
        bounds = (0.0, 6.0) if after == "Clip" else ()
        return value if after == "none" else build.op(after, value, *bounds)

    shape = (1, group * depth, 11) if is_signal else (1, group * depth, 8, 7)
    require_equal(
        operator, shape, folder, zero_point=zero_point, seed=seed, count=60, may_be_flat=True
    )


@CASE
@given(
    st.sampled_from([(3, 8), (64, 10), (33, 17), (700, 5)]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(0.05, 117), (0.9, 0), (3.0, 255)]),
    seeds,
)
def test_a_dense_layer(
    folder: Path,
    sizes: tuple[int, int],
    per_channel: bool,
    has_relu: bool,
    grid: tuple[float, int],
    seed: int,
) -> None:
    depth, width = sizes
    weights = normal((width, depth), seed=seed)

    def operator(build: QuantizedBuilder, x: ir.Value) -> ir.Value:
        value = build.linear("Gemm", x, weights, bias=normal((width,)), transB=1,
                             x_scale=X_SCALE, per_channel=per_channel)  # fmt: skip
        return build.op("Relu", value) if has_relu else value

    require_equal(operator, (1, depth), folder, grid=grid, seed=seed, count=60, may_be_flat=True)


def test_a_dense_layer_on_every_row(folder: Path) -> None:
    def operator(build: QuantizedBuilder, x: ir.Value) -> ir.Value:
        return build.linear("MatMul", x, normal((9, 6)), axis=1, x_scale=X_SCALE)

    assert "rows" in require_equal(operator, (1, 7, 9), folder)


def with_activation(kind: str) -> Operator:
    def operator(build: QuantizedBuilder, x: ir.Value) -> ir.Value:
        return build.op(kind, x, build.quantized(build.op("LeakyRelu", x, alpha=0.5), 0.03, 60))

    return operator


def with_constant(kind: str, size: int, *, first: bool = False) -> Operator:
    numbers = np.random.default_rng(size).integers(0, 256, (1, size, 1, 1)).astype(np.uint8)

    def operator(build: QuantizedBuilder, x: ir.Value) -> ir.Value:
        pair = (x, build.stored(numbers, 0.05, 77))
        return build.op(kind, *(pair[::-1] if first else pair))

    return operator


def alone(kind: str, *inputs: Any, **attributes: Any) -> Operator:
    return lambda build, x: build.op(kind, x, *inputs, **attributes)


def joined(build: QuantizedBuilder, x: ir.Value) -> ir.Value:
    other = build.quantized(build.op("LeakyRelu", x, alpha=0.5), X_SCALE, 120)
    return build.op(
        "Concat", build.quantized(build.op("LeakyRelu", x, alpha=0.9), X_SCALE, 120), other, axis=1
    )


TWICE = np.array([1, 1, 2, 3], np.float32)
CASES: dict[str, tuple[Operator, str]] = {
    "Add": (with_activation("Add"), "add"),
    "Add a constant a channel": (with_constant("Add", 5), "add"),
    "Sub": (with_activation("Sub"), "add"),
    "Sub a constant": (with_constant("Sub", 5), "add"),
    "Sub from a constant": (with_constant("Sub", 5, first=True), "add"),
    "Mul": (with_activation("Mul"), "multiply"),
    "Mul by a constant": (with_constant("Mul", 5), "multiply"),
    "Mul by a number": (with_constant("Mul", 1), "multiply"),
    "Concat": (joined, "join"),
    "MaxPool": (alone("MaxPool", kernel_shape=[2, 3], pads=[1, 1, 0, 1]), "max_pool"),
    "AveragePool": (alone("AveragePool", kernel_shape=[2, 3]), "depthwise"),
    "GlobalAveragePool": (alone("GlobalAveragePool"), "mean"),
    "Pad": (alone("Pad", np.array([0, 0, 1, 0, 0, 0, 2, 1])), "pad"),
    "Transpose": (alone("Transpose", perm=[0, 2, 1, 3]), "transpose"),
    "Resize": (alone("Resize", None, TWICE, mode="nearest"), "enlarge"),
    "LeakyRelu": (alone("LeakyRelu", alpha=0.3), "lookup"),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", CASES)
def test_an_operator(name: str, seed: int, folder: Path) -> None:
    operator, kernel = CASES[name]
    grid = [(0.05, 117), (0.021, 90), (0.08, 200)][seed]
    if name in ("Concat", "MaxPool", "Pad", "Resize", "Transpose"):
        grid = (X_SCALE, 120)  # what only moves keeps its grid
    used = require_equal(
        operator, (1, 5, 6, 4), folder, seed=seed, grid=grid, layout="last", count=400
    )
    assert kernel in used


@pytest.mark.parametrize("kind", ["MaxPool", "GlobalAveragePool", "AveragePool"])
def test_a_pool_that_keeps_its_grid(kind: str, folder: Path) -> None:
    how = {} if kind == "GlobalAveragePool" else {"kernel_shape": [2, 2], "strides": [2, 2]}
    grid = (X_SCALE, 120)
    require_equal(alone(kind, **how), (1, 5, 6, 4), folder, grid=grid, layout="last", count=400)


def test_an_average_that_leaves_padding_out(folder: Path) -> None:
    pool = alone("AveragePool", kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
    used = require_equal(pool, (1, 4, 5, 6), folder, grid=(X_SCALE, 120), layout="last", count=400)
    assert "average_pool" in used


@pytest.mark.parametrize(
    ("kind", "grid"),
    [("Sigmoid", (1 / 256, 0)), ("Tanh", (1 / 128, 128))],
)
def test_a_squashing_function_is_a_table(kind: str, grid: tuple[float, int], folder: Path) -> None:
    assert "lookup" in require_equal(alone(kind), (1, 40), folder, grid=grid)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.003, 0.3), st.integers(0, 255), st.integers(2, 60), seeds)
@example(0.01, 0, 7, 0)
@example(0.021, 90, 16, 0)
@example(0.05, 91, 24, 0)
def test_a_mean_on_any_grid(folder: Path, scale: float, point: int, rows: int, seed: int) -> None:
    grid = (float(np.float32(scale)), point)
    pool = alone("GlobalAveragePool")
    require_equal(
        pool, (1, 6, rows), folder, grid=grid, layout="last", count=200, seed=seed, may_be_flat=True
    )


@settings(max_examples=8, deadline=None)
@given(st.floats(0.004, 0.4), st.integers(0, 255), st.sampled_from(["Add", "Sub", "Mul"]), seeds)
def test_arithmetic_on_any_grid(
    folder: Path, scale: float, point: int, kind: str, seed: int
) -> None:
    grid = (float(np.float32(scale)), point)
    require_equal(
        with_activation(kind), (1, 6, 9), folder, grid=grid, count=200, seed=seed, may_be_flat=True
    )


def test_a_reading_is_scaled_in_front(folder: Path) -> None:
    build = QuantizedBuilder("scaled")
    raw = build.input("x", np.float32, (1, 8, 3))
    value = build.op("Sub", raw, np.array([1.5, -2.25, 900.0], np.float32))
    value = build.op("Mul", value, np.array([0.37, 11.0, 0.002], np.float32))
    value = build.quantized(build.op("Clip", value, -3.0, 3.0), 0.024, 127)
    value = build.linear("MatMul", value, normal((3, 5)), axis=1, x_scale=0.024)
    data = to_tflite(gives(build, 3, y=build.quantized(value, 0.05, 128)), check=False)
    running = Running.up_to(data, None, folder)
    rng = np.random.default_rng(0)
    inputs = rng.normal([1.5, -2.25, 900], [3, 0.1, 500], (3000, 1, 8, 3)).astype(np.float32)
    integers, outputs, _ = running.litert(inputs)
    np.testing.assert_array_equal(running.prepare(inputs), integers)
    np.testing.assert_array_equal(running.run(integers), outputs)


def names_of(data: bytes) -> set[str]:
    return {op.code for op in read_network(data).operators}


def random_bytes(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(0).integers(0, 256, (100, *shape)).astype(np.uint8)


def test_pixels_are_moved_to_int8(folder: Path) -> None:
    build = QuantizedBuilder("pixels")
    image = build.input("image", np.uint8, (1, 6, 6, 3))
    value = build.op("Transpose", image, perm=[0, 3, 1, 2])
    value = build.op("DequantizeLinear", value, np.float32(1), np.uint8(0))
    value = build.linear("Conv", value, normal((4, 3, 3, 3)), x_scale=1.0)
    data = to_tflite(gives(build, 4, y=build.quantized(value, 5.0, 128)), check=False)
    running = Running.up_to(data, None, folder)
    pixels = random_bytes((1, 6, 6, 3))
    integers, outputs, _ = running.litert(pixels)
    np.testing.assert_array_equal(running.prepare(pixels), integers)
    np.testing.assert_array_equal(running.run(integers), outputs)
