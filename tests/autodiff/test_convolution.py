"""Gradients of convolutions."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import check, normal


@st.composite
def conv_cases(draw: st.DrawFn) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    rank = draw(st.sampled_from([1, 2]))
    batch, group = draw(st.integers(1, 3)), draw(st.sampled_from([1, 1, 2, 3]))
    depth, out = draw(st.sampled_from([1, 2, 17])), draw(st.integers(1, 3)) * group

    def each(low: int, high: int) -> list[int]:
        return [draw(st.integers(low, high)) for _ in range(rank)]

    size, kernel, stride, dilation = each(3, 7), each(1, 3), each(1, 3), each(1, 2)
    pads = each(0, 2) + each(0, 2)
    for axis in range(rank):
        span = dilation[axis] * (kernel[axis] - 1) + 1
        assume(size[axis] + pads[axis] + pads[axis + rank] >= span)
    attributes: dict[str, object] = {"strides": stride, "dilations": dilation, "group": group}
    if draw(st.booleans()):
        attributes["pads"] = pads
    else:
        attributes["auto_pad"] = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
        attributes["dilations"] = [1] * rank
        assume(all(k <= n for k, n in zip(kernel, size, strict=True)))
    inputs = {
        "x": normal(batch, depth * group, *size),
        "w": normal(out, depth, *kernel, seed=1),
        "b": normal(out, seed=2),
    }
    return inputs, attributes


@given(conv_cases())
@settings(max_examples=60, deadline=None)
def test_conv_of_any_form(case: tuple[dict[str, np.ndarray], dict[str, object]]) -> None:
    inputs, attributes = case

    def net(build: GraphBuilder, *values: ir.Value) -> ir.Value:
        return build.op("Conv", *values, **attributes)

    check(net, inputs)


@given(conv_cases())
@settings(max_examples=60, deadline=None)
def test_conv_with_constant_weights(case: tuple[dict[str, np.ndarray], dict[str, object]]) -> None:
    inputs, attributes = case

    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("Conv", x, inputs["w"], **attributes)

    del attributes["strides"]
    check(net, {"x": inputs["x"]})


@pytest.mark.parametrize("side", [2, 5])
def test_pointwise_conv_with_many_channels_and_pictures(side: int) -> None:
    inputs = {"x": normal(3, 20, side, side), "w": normal(30, 20, 1, 1, seed=1)}
    check(lambda build, x, w: build.op("Conv", x, w), inputs)


def test_depthwise_conv() -> None:
    inputs = {"x": normal(2, 18, 5, 5), "w": normal(36, 1, 3, 3, seed=1)}
    check(lambda build, x, w: build.op("Conv", x, w, group=18, strides=[2, 2]), inputs)


@given(conv_cases(), st.integers(0, 1), st.booleans())
@settings(max_examples=60, deadline=None)
def test_transposed_conv_of_any_form(
    case: tuple[dict[str, np.ndarray], dict[str, object]], more: int, biased: bool
) -> None:
    inputs, attributes = case
    group = int(str(attributes["group"]))
    weights = inputs["w"]
    depth = len(weights) // group
    rank = weights.ndim - 2
    strides = np.array(attributes["strides"])
    if "pads" in attributes and np.all(strides > 1):
        attributes["output_padding"] = [more] * rank
    spans = np.array(attributes["dilations"]) * (np.array(weights.shape[2:]) - 1) + 1
    pads = np.array(attributes.get("pads", [0] * 2 * rank)).reshape(2, rank).sum(axis=0)
    assume(np.all(spans - pads > 0))
    assume("pads" in attributes or np.all(spans >= strides))
    values = {"x": normal(2, len(weights), 3, *[4] * (rank - 1)), "w": weights}
    if biased:
        values["b"] = normal(weights.shape[1] * group)
    assert depth

    def net(build: GraphBuilder, *operands: ir.Value) -> ir.Value:
        return build.op("ConvTranspose", *operands, **attributes)

    check(net, values, by="linear")


@pytest.mark.parametrize("depth", [6, 20])
@pytest.mark.parametrize("dilations", [[1, 1], [2, 3]])
def test_weights_that_are_differentiated_by_moving_the_gradient(
    depth: int, dilations: list[int]
) -> None:
    inputs = {"x": normal(2, depth, 9, 10), "w": normal(2, depth, 3, 2, seed=1)}

    def net(build: GraphBuilder, x: ir.Value, w: ir.Value) -> ir.Value:
        return build.op("Conv", x, w, dilations=dilations, pads=[1, 0, 2, 1])

    check(net, inputs)


def test_depthwise_conv_with_several_outputs_a_channel() -> None:
    inputs = {"x": normal(2, 4, 5, 5), "w": normal(12, 1, 3, 3, seed=1)}
    check(lambda build, x, w: build.op("Conv", x, w, group=4), inputs)
