"""Gradients of pools."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgekit.autodiff import gradients
from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import apart, check, model_of, normal, run

Case = tuple[tuple[int, ...], dict[str, object]]


@st.composite
def pool_cases(draw: st.DrawFn) -> Case:
    rank = draw(st.sampled_from([1, 2]))

    def each(low: int, high: int) -> list[int]:
        return [draw(st.integers(low, high)) for _ in range(rank)]

    size, kernel, stride = each(3, 8), each(2, 3), each(1, 3)
    pads = each(0, 1) + each(0, 1)
    for axis in range(rank):
        assume(size[axis] + pads[axis] + pads[axis + rank] >= kernel[axis])
    attributes: dict[str, object] = {"kernel_shape": kernel, "strides": stride}
    if draw(st.booleans()):
        attributes["pads"] = pads
    else:
        attributes["auto_pad"] = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
        # onnxruntime refuses SAME where a stride leaves numbers out
        assume(all(s <= k <= n for s, k, n in zip(stride, kernel, size, strict=True)))
    return (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *size), attributes


@given(pool_cases())
@settings(max_examples=40, deadline=None)
def test_max_pool_of_any_form(case: Case) -> None:
    shape, attributes = case

    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("MaxPool", x, **attributes)

    check(net, {"x": apart(*shape)}, by="onnxruntime")


@pytest.mark.parametrize("size", [7, 8])
def test_max_pool_rounds_up(size: int) -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)

    check(net, {"x": apart(2, 3, size, size)}, by="onnxruntime")


def test_max_pool_gives_the_gradient_to_the_first_of_equal_numbers() -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("MaxPool", x, kernel_shape=[2, 2], strides=[1, 1])

    x = np.ones((1, 1, 3, 3), np.float32)
    model = gradients(model_of(net, {"x": x}), "y", ["x"], seed="dy")
    dy = np.array([[[[1, 2], [3, 4]]]], np.float32)
    slope = run(model, {"x": x, "dy": dy})["grad(x)"]
    assert slope[0, 0].tolist() == [[1, 2, 0], [3, 4, 0], [0, 0, 0]]


@given(pool_cases(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_average_pool_of_any_form(case: Case, include: bool) -> None:
    shape, attributes = case

    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("AveragePool", x, **attributes, count_include_pad=int(include))

    check(net, {"x": normal(*shape)}, by="linear")


@pytest.mark.parametrize("size", [5, 6, 7])
@pytest.mark.parametrize("pads", [[0, 0], [0, 1]])
@pytest.mark.parametrize("include", [0, 1])
def test_average_pool_rounds_up(size: int, pads: list[int], include: int) -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        how = {"kernel_shape": [3], "strides": [2], "ceil_mode": 1}
        return build.op("AveragePool", x, pads=pads, count_include_pad=include, **how)

    check(net, {"x": normal(2, 3, size)}, by="linear")


def test_global_average_pool() -> None:
    check(lambda build, x: build.op("GlobalAveragePool", x), {"x": normal(2, 3, 4, 5)})


@pytest.mark.parametrize("size", [(1, 5), (4, 5)])
def test_global_max_pool(size: tuple[int, ...]) -> None:
    check(lambda build, x: build.op("GlobalMaxPool", x), {"x": apart(2, 3, *size)})


def test_global_max_pool_gives_the_gradient_to_the_first_of_equal_numbers() -> None:
    x, dy = np.ones((1, 2, 3), np.float32), np.array([[[2], [3]]], np.float32)
    model = model_of(lambda build, x: build.op("GlobalMaxPool", x), {"x": x})
    found = run(gradients(model, "y", ["x"], seed="dy"), {"x": x, "dy": dy})
    assert found["grad(x)"].tolist() == [[[2, 0, 0], [3, 0, 0]]]
