"""A layer seen as matrices computes what onnxruntime does."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.compress.layers import Layer, layer_named, linear_layers
from edgekit.errors import UnsupportedModel
from edgekit.graph.build import GraphBuilder
from edgekit.graph.observe import Observer

CASE = settings(max_examples=60, deadline=None)
RNG = np.random.default_rng(0)


def numbers(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def model_of(kind: str, x: Array, *constants: Array | None, **attributes: Any) -> ir.Model:
    build = GraphBuilder("one")
    y = build.op(kind, build.input("x", np.float32, x.shape), *constants, **attributes)
    model = build.finish(y=(y, np.float32, ()))
    model.graph.outputs[0].shape = None
    return model


def require_same(model: ir.Model, x: Array) -> Layer:
    """The layer's matrix times its patches, plus its bias, is what the layer gives."""
    (layer,) = linear_layers(model)
    expected = layer.responses(Observer(model, []).run(x)["y"])
    found = np.matmul(layer.matrix(), layer.patches(x))
    if layer.bias is not None:
        found += layer.bias.reshape(layer.groups, -1, 1)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(layer.shaped(layer.matrix()), layer.weights)
    assert layer.outputs == expected.shape[0] * expected.shape[1]
    return layer


@CASE
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    channels=st.sampled_from([(1, 3, 5), (2, 2, 3), (4, 1, 1), (3, 1, 2)]),
    has_bias=st.booleans(),
    batch=st.integers(1, 2),
)
def test_a_convolution_is_its_matrix_times_its_patches(
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: tuple[int, int, int, int],
    channels: tuple[int, int, int],
    has_bias: bool,
    batch: int,
) -> None:
    groups, depth, count = channels
    x = numbers(batch, groups * depth, 9, 8)
    bias = numbers(groups * count) if has_bias else None
    model = model_of(
        "Conv", x, numbers(groups * count, depth, *kernel), bias, group=groups,
        strides=strides, dilations=dilations, pads=pads,
    )  # fmt: skip
    layer = require_same(model, x)
    assert layer.groups == groups
    assert (layer.bias is None) is not has_bias


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("size", [5, 6, 7])
@pytest.mark.parametrize(("stride", "taps"), [(1, 2), (2, 3), (3, 2)])
def test_automatic_padding_is_onnxruntimes(mode: str, size: int, stride: int, taps: int) -> None:
    x = numbers(1, 2, size, size + 1)
    weights = numbers(3, 2, taps, taps)
    require_same(model_of("Conv", x, weights, strides=[stride] * 2, auto_pad=mode), x)


@pytest.mark.parametrize("rank", [1, 3])
def test_a_convolution_may_have_any_number_of_axes(rank: int) -> None:
    x = numbers(2, 4, *[5] * rank)
    weights = numbers(6, 2, *[3] * rank)
    require_same(model_of("Conv", x, weights, group=2, pads=[1, 0] * rank), x)


@pytest.mark.parametrize("bias", [None, (4,), (1, 4), (1,), ()])
@pytest.mark.parametrize("turned", [0, 1])
def test_a_gemm_is_its_matrix_times_its_patches(turned: int, bias: tuple[int, ...] | None) -> None:
    x, weights = numbers(3, 5), numbers(4, 5) if turned else numbers(5, 4)
    addend = None if bias is None else numbers(*bias)
    require_same(model_of("Gemm", x, weights, addend, transB=turned), x)


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5), (2, 2, 3, 5)])
def test_a_matmul_of_any_rank_is_its_matrix_times_its_patches(shape: tuple[int, ...]) -> None:
    x = numbers(*shape)
    require_same(model_of("MatMul", x, numbers(5, 4)), x)


@pytest.mark.parametrize(
    ("kind", "shapes", "attributes"),
    [
        ("Gemm", [(5, 4)], {"alpha": 0.5}),
        ("Gemm", [(5, 4), (4,)], {"beta": 2.0}),
        ("Gemm", [(3, 4)], {"transA": 1}),
        ("Gemm", [(5, 4), (3, 1)], {}),
        ("MatMul", [(2, 5, 4)], {}),
        ("MatMul", [(5,)], {}),
        ("ConvTranspose", [(5, 4, 1)], {}),
    ],
)
def test_what_is_not_one_matrix_and_a_bias_is_no_layer(
    kind: str, shapes: list[tuple[int, ...]], attributes: dict[str, Any]
) -> None:
    x = numbers(1, 5, 6) if kind == "ConvTranspose" else numbers(3, 5)
    model = model_of(kind, x, *[numbers(*shape) for shape in shapes], **attributes)
    Observer(model, []).run(x)
    assert linear_layers(model) == []


@pytest.mark.parametrize("computed", [1, 2])
def test_weights_or_biases_that_are_computed_make_no_layer(computed: int) -> None:
    build = GraphBuilder("computed")
    x, given = build.input("x", np.float32, (1, 2, 4, 4)), build.input("given", np.float32, ())
    operands: list[Any] = [numbers(3, 2, 1, 1), numbers(3)]
    operands[computed - 1] = build.op("Mul", operands[computed - 1], given)
    model = build.finish(y=(build.op("Conv", x, *operands), np.float32, (1, 3, 4, 4)))
    assert linear_layers(model) == []


def test_layers_are_found_by_name_and_a_missing_one_is_named() -> None:
    model = model_of("MatMul", numbers(3, 5), numbers(5, 4))
    (layer,) = linear_layers(model)
    assert layer_named(model, layer.name).node is layer.node
    with pytest.raises(UnsupportedModel, match="'conv9'"):
        layer_named(model, "conv9")
