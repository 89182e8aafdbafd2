"""Layers that compute in float32 with weights that are stored as integers."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.convert import schema, to_tflite
from edgekit.graph.edit import infer_shapes
from tests.convert.engines import require_same
from tests.convert.graphs import QuantizedBuilder, gives, normal

INT8, FLOAT32 = schema.tensor_type(np.int8), schema.tensor_type(np.float32)

CASES: dict[str, tuple[str, tuple[int, ...], int, dict[str, Any], str]] = {
    "conv": ("Conv", (5, 4, 3, 3), 0, {}, "CONV_2D"),
    "depthwise": ("Conv", (4, 1, 3, 3), 0, {"group": 4}, "DEPTHWISE_CONV_2D"),
    "transposed": ("ConvTranspose", (4, 5, 3, 3), 1, {}, "TRANSPOSE_CONV"),
    "gemm": ("Gemm", (4, 5), 1, {}, "FULLY_CONNECTED"),
    "turned": ("Gemm", (5, 4), 0, {"transB": 1}, "FULLY_CONNECTED"),
    "matmul": ("MatMul", (4, 5), 1, {}, "FULLY_CONNECTED"),
}
"""Operator, shape and output axis of its weights, attributes, and what it becomes."""


def layer(name: str, *, per_channel: bool = True, **more: Any) -> tuple[ir.Model, tuple[int, ...]]:
    """A layer from `x` to `y`, and the shape of `x`."""
    kind, shape, axis, how, _ = CASES[name]
    takes = (1, 4, 6, 6) if len(shape) == 4 else (2, 4)
    build = QuantizedBuilder(name)
    x = build.input("x", np.float32, takes)
    bias = None if kind == "MatMul" else normal((shape[axis],), seed=2)
    y = build.linear(
        kind, x, normal(shape), x_scale=0.01, axis=axis, bias=bias, per_channel=per_channel,
        **how, **more,
    )  # fmt: skip
    return infer_shapes(gives(build, len(takes), y=y)), takes


def types_of_weights(data: bytes) -> set[int]:
    """The types of the constants that have more than one axis."""
    model = schema.unpack(data)
    return {
        tensor.type
        for tensor in model.subgraphs[0].tensors
        if len(tensor.shape) > 1 and model.buffers[tensor.buffer].data is not None
    }


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("xnnpack", [False, True])
def test_the_file_keeps_the_integers_and_the_numbers_are_the_same(
    name: str, per_channel: bool, xnnpack: bool
) -> None:
    model, shape = layer(name, per_channel=per_channel)
    used = require_same(model, {"x": normal(shape, seed=1)}, xnnpack=xnnpack)
    assert {"DEQUANTIZE", CASES[name][-1]} <= set(used)
    assert types_of_weights(to_tflite(model)) == {INT8}


def test_they_stay_8_bits_where_floats_are_stored_in_16() -> None:
    model, _ = layer("gemm")
    assert types_of_weights(to_tflite(model, weights="float16")) == {INT8}


@pytest.mark.parametrize("axis", [1, 0])
def test_what_tflite_cannot_store_so_is_stored_in_float(axis: int) -> None:
    """A factor of the product, and scales along the inputs."""
    build = QuantizedBuilder("gemm")
    x = build.input("x", np.float32, (2, 4))
    y = build.linear("Gemm", x, normal((4, 5)), x_scale=0.01, axis=axis, alpha=1 + axis / 2)
    model = gives(build, 2, y=y)
    require_same(model, {"x": normal((2, 4), seed=1)})
    assert types_of_weights(to_tflite(model)) == {FLOAT32}


def test_scales_along_an_axis_ask_for_the_release_that_has_them() -> None:
    for per_channel, runtime in ((False, b"1.14.0\0"), (True, b"2.7.0\0")):
        assert runtime in to_tflite(layer("gemm", per_channel=per_channel)[0])
