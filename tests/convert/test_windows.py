"""Convolutions and pools of odd sizes, strides, dilations and paddings, as onnxruntime has them."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.convert import to_tflite
from edgekit.errors import UnsupportedModel
from edgekit.graph.build import GraphBuilder
from tests.convert.engines import operators, require_same
from tests.convert.graphs import gives, normal, seeds

CASE = settings(max_examples=60, deadline=None)
Feeds = dict[str, Array]


def few(draw: st.DrawFn, low: int, high: int, count: int) -> list[int]:
    return draw(st.lists(st.integers(low, high), min_size=count, max_size=count))


@st.composite
def windows(draw: st.DrawFn, *, dilated: bool, padding: int) -> tuple[list[int], dict[str, Any]]:
    """Sizes of a picture or a signal, and how a window slides over it."""
    axes = draw(st.sampled_from([2, 2, 1]))
    kernel, strides = few(draw, 1, 4, axes), few(draw, 1, 3, axes)
    how: dict[str, Any] = {"kernel_shape": kernel, "strides": strides}
    automatic = draw(st.sampled_from(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    dilations = [1] * axes
    if automatic == "NOTSET":
        limits = [min(padding, size - 1) if padding else 0 for size in kernel] * 2
        how["pads"] = [draw(st.integers(0, limit)) for limit in limits]
        if dilated:
            dilations = how["dilations"] = few(draw, 1, 3, axes)
    else:
        how["auto_pad"] = automatic
        # onnxruntime cannot run a pool whose SAME padding would be negative
        how["strides"] = [min(pair) for pair in zip(strides, kernel, strict=True)]
    reach = [(size - 1) * by + 1 for size, by in zip(kernel, dilations, strict=True)]
    return [draw(st.integers(size, 11)) for size in reach], how


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[ir.Model, Feeds]:
    sizes, how = draw(windows(dilated=True, padding=9))
    group = draw(st.integers(1, 4))
    depth, count = draw(st.sampled_from([(1, 1), (1, 2), (2, 1), (3, 2)]))
    seed = draw(seeds)
    build = GraphBuilder("conv")
    x = build.input("x", np.float32, (draw(st.integers(1, 2)), group * depth, *sizes))
    weights = normal((group * count, depth, *how["kernel_shape"]), seed=seed)
    bias = [normal(weights.shape[:1], seed=seed + 1)] if draw(st.booleans()) else []
    value = build.op("Conv", x, weights, *bias, group=group, **how)
    after = draw(st.sampled_from(["none", "Relu", "relu6", "clip"]))
    if after == "Relu":
        value = build.op("Relu", value)
    elif after != "none":
        value = build.op("Clip", value, *((0.0, 6.0) if after == "relu6" else (-0.5, 2.0)))
    return gives(build, 2 + len(sizes), y=value), {"x": normal(tuple(x.shape), seed=seed + 2)}


@CASE
@given(convolutions(), st.booleans())
def test_a_convolution_gives_the_same(case: tuple[ir.Model, Feeds], xnnpack: bool) -> None:
    require_same(*case, xnnpack=xnnpack)


@st.composite
def transposed_convolutions(draw: st.DrawFn) -> tuple[ir.Model, Feeds]:
    axes = draw(st.sampled_from([2, 2, 1]))
    kernel, strides, sizes = (few(draw, 1, high, axes) for high in (4, 3, 6))
    dilations = few(draw, 1, 2, axes)
    reach = [(size - 1) * by + 1 for size, by in zip(kernel, dilations, strict=True)]
    pads = [draw(st.integers(0, min(2, size - 1))) for size in reach * 2]
    longer = [draw(st.integers(0, stride - 1)) for stride in strides]
    whole = [(size - 1) * by + r for size, by, r in zip(sizes, strides, reach, strict=True)]
    assume(all(size > pads[i] + pads[axes + i] for i, size in enumerate(whole)))
    group, seed = draw(st.sampled_from([1, 1, 2])), draw(seeds)
    build = GraphBuilder("grow")
    x = build.input("x", np.float32, (1, 2 * group, *sizes))
    weights = normal((2 * group, 3, *kernel), seed=seed)
    bias = [normal((3 * group,), seed=seed + 1)] if draw(st.booleans()) else []
    value = build.op(
        "ConvTranspose", x, weights, *bias, group=group, strides=strides, pads=pads,
        dilations=dilations, output_padding=longer,
    )  # fmt: skip
    return gives(build, 2 + axes, y=value), {"x": normal(tuple(x.shape), seed=seed + 2)}


@CASE
@given(transposed_convolutions(), st.booleans())
def test_a_transposed_convolution_gives_the_same(
    case: tuple[ir.Model, Feeds], xnnpack: bool
) -> None:
    require_same(*case, xnnpack=xnnpack)


@st.composite
def pools(draw: st.DrawFn) -> tuple[ir.Model, Feeds]:
    sizes, how = draw(windows(dilated=False, padding=2))
    kind = draw(st.sampled_from(["MaxPool", "AveragePool"]))
    if kind == "AveragePool":
        how["count_include_pad"] = draw(st.sampled_from([0, 1]))
    how["ceil_mode"] = draw(st.sampled_from([0, 1]))
    build = GraphBuilder("pool")
    x = build.input("x", np.float32, (draw(st.integers(1, 2)), draw(st.integers(1, 3)), *sizes))
    model = gives(build, 2 + len(sizes), y=build.op(kind, x, **how))
    return model, {"x": normal(tuple(x.shape), seed=draw(seeds))}


@CASE
@given(pools(), st.booleans())
def test_a_pool_gives_the_same(case: tuple[ir.Model, Feeds], xnnpack: bool) -> None:
    try:
        require_same(*case, xnnpack=xnnpack)
    except UnsupportedModel as error:
        assert "ceil_mode and count_include_pad" in str(error)


@pytest.mark.parametrize("kind", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (1, 3, 7)])
def test_a_pool_of_the_whole_gives_the_same(kind: str, shape: tuple[int, ...]) -> None:
    build = GraphBuilder("whole")
    x = build.input("x", np.float32, shape)
    require_same(gives(build, len(shape), y=build.op(kind, x)), {"x": normal(shape)})


def test_a_ceiled_pool_of_which_later_shapes_depend_gives_the_same() -> None:
    """Onnx infers 4 places of the pool where onnxruntime, rightly, takes 3."""
    build = GraphBuilder("ceiled")
    x = build.input("x", np.float32, (1, 2, 9, 9))
    how = {"kernel_shape": [3, 3], "strides": [3, 3], "pads": [0, 0, 1, 1], "ceil_mode": 1}
    pooled = build.op("MaxPool", x, **how)
    value = build.op("Conv", pooled, normal((4, 2, 3, 3)), pads=[1, 1, 1, 1])
    require_same(gives(build, 4, y=value), {"x": normal((1, 2, 9, 9))})


def test_a_chain_of_convolutions_moves_no_axes_but_at_its_ends() -> None:
    build = GraphBuilder("chain")
    value = build.input("x", np.float32, (1, 3, 8, 8))
    for width in (3, 4, 4):
        value = build.op("Relu", build.op("Conv", value, normal((4, width, 3, 3))))
    used = operators(to_tflite(gives(build, 4, y=value)))
    assert used == ["TRANSPOSE", "CONV_2D", "CONV_2D", "CONV_2D", "TRANSPOSE"]


def test_a_chain_of_1_d_convolutions_stays_a_picture_of_height_1() -> None:
    build = GraphBuilder("signal")
    value = build.input("x", np.float32, (1, 3, 16))
    for width in (3, 4, 4):
        value = build.op("Relu", build.op("Conv", value, normal((4, width, 3))))
    used = operators(to_tflite(gives(build, 3, y=value)))
    assert used.count("CONV_2D") == 3
    assert set(used[2:5]) == {"CONV_2D"}


def test_a_depthwise_convolution_is_one() -> None:
    build = GraphBuilder("depthwise")
    x = build.input("x", np.float32, (1, 4, 6, 6))
    model = gives(build, 4, y=build.op("Conv", x, normal((8, 1, 3, 3)), group=4))
    assert "DEPTHWISE_CONV_2D" in operators(to_tflite(model))


@pytest.mark.parametrize(("before", "code"), [("Relu", "PAD"), ("Neg", "PADV2")])
def test_a_max_pool_is_padded_with_zeros_where_nothing_is_less(before: str, code: str) -> None:
    build = GraphBuilder("padded")
    x = build.input("x", np.float32, (1, 3, 8, 8))
    value = build.op(before, build.op("Conv", x, normal((3, 3, 1, 1))))
    pool = build.op("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    assert code in require_same(gives(build, 4, y=pool), {"x": normal((1, 3, 8, 8))})
