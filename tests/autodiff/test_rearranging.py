"""Gradients of operators that move numbers about without changing them."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.autodiff import gradients
from edgekit.errors import UnsupportedModel
from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import apart, check, model_of, normal, run


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat(axis: int) -> None:
    shapes = [[2, 3, 2], [2, 3, 2], [2, 3, 2]]
    for number, shape in enumerate(shapes):
        shape[axis] = number + 1
    inputs = {str(n): normal(*shape, seed=n) for n, shape in enumerate(shapes)}
    check(lambda build, *values: build.op("Concat", *values, axis=axis), inputs)


@pytest.mark.parametrize("used", [(0,), (1, 2), (0, 1, 2)])
def test_split_of_which_some_parts_are_used(used: tuple[int, ...]) -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        parts = build.op_many("Split", x, np.array([1, 2, 2]), outputs=3, axis=1)
        return build.op("Concat", *(build.op("Exp", parts[n]) for n in used), axis=-2)

    check(net, {"x": normal(2, 5, 3)})


@st.composite
def slices(draw: st.DrawFn) -> tuple[tuple[int, ...], list[list[int]]]:
    rank = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, 6)) for _ in range(rank))
    axes = draw(st.lists(st.integers(0, rank - 1), min_size=1, max_size=rank, unique=True))
    starts, ends, steps = [], [], []
    for axis in axes:
        n, step = shape[axis], draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
        start = draw(st.integers(-n, n - 1)) % n
        last = draw(st.integers(start, n - 1) if step > 0 else st.integers(0, start))
        end = last + 1 if step > 0 else last - 1
        starts.append(start - draw(st.sampled_from([0, n])))
        ends.append(np.iinfo(np.int64).min if end < 0 else end)
        steps.append(step)
    signs = [draw(st.sampled_from([0, rank])) for _ in axes]
    axes = [axis - sign for axis, sign in zip(axes, signs, strict=True)]
    return shape, [starts, ends, axes, steps]


@given(slices())
@settings(max_examples=60, deadline=None)
def test_slice_of_any_form(case: tuple[tuple[int, ...], list[list[int]]]) -> None:
    shape, numbers = case

    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("Slice", x, *(np.array(row, np.int64) for row in numbers))

    check(net, {"x": normal(*shape)}, by="linear")


def test_slice_to_the_end_and_of_nothing() -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        rest = build.op("Slice", x, np.array([1]), np.array([2**62]))
        nothing = build.op("Slice", x, np.array([1]), np.array([1]))
        return build.op("Concat", rest, nothing, axis=0)

    check(net, {"x": normal(4, 2)}, by="linear")


@pytest.mark.parametrize("pads", [[0, 1, 2, 3], [-1, 0, 0, 2], [1, -1, -1, 0]])
def test_pad_with_a_constant(pads: list[int]) -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("Pad", x, np.array(pads), 7.0)

    check(net, {"x": normal(3, 4)}, by="linear")


def test_pad_of_named_axes() -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("Pad", x, np.array([1, 2]), None, np.array([-1]))

    check(net, {"x": normal(3, 4)}, opset=18)


def test_pad_by_reflection_is_refused() -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("Pad", x, np.array([1, 1]), mode="reflect")

    with pytest.raises(UnsupportedModel, match="Pad node"):
        gradients(model_of(net, {"x": normal(4)}), "y", ["x"], seed="dy")


@pytest.mark.parametrize("perm", [None, [0, 1, 2], [2, 0, 1], [1, 2, 0]])
def test_transpose(perm: list[int] | None) -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("Transpose", x, **({"perm": perm} if perm else {}))

    check(net, {"x": normal(2, 3, 4)})


def test_shapes_come_back() -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        value = build.op("Unsqueeze", build.op("Flatten", x, axis=2), np.array([0]))
        value = build.op("Reshape", build.op("Squeeze", value), np.array([0, 2, -1]))
        value = build.op("Cast", build.op("Identity", value), to=ir.DataType.FLOAT)
        return build.op("Mul", value, value)

    check(net, {"x": normal(2, 3, 4)})


def test_expand_and_dropout() -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("Dropout", build.op("Expand", x, np.array([2, 3, 4])), 0.5)

    check(net, {"x": normal(3, 1)})


def test_a_cast_to_double_and_back() -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        wide = build.op("Cast", x, to=ir.DataType.DOUBLE)
        return build.op("Cast", build.op("Mul", wide, wide), to=ir.DataType.FLOAT)

    x = apart(4)
    found = run(gradients(model_of(net, {"x": x}), "y", ["x"], seed="v"), {"x": x, "v": x})
    np.testing.assert_allclose(found["grad(x)"], 2 * x * x, 1e-6)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("index", [2, [0, 2, 2], [[1, -1], [0, 1]]])
def test_gather(axis: int, index: list[int]) -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("Gather", x, np.array(index), axis=axis)

    check(net, {"x": normal(3, 4, 3)})


@pytest.mark.parametrize(
    ("kind", "index"),
    [("GatherElements", np.array([[0, 0, 2], [1, -1, 0]])), ("GatherND", np.array([[0], [0]]))],
)
def test_other_gathers(kind: str, index: Array) -> None:
    check(lambda build, x: build.op(kind, x, index), {"x": normal(3, 3)}, by="linear")


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(
    "rule", ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]
)
@pytest.mark.parametrize("scales", [[1, 1, 2, 2], [1, 1, 1.5, 0.6], [1, 1, 3, 1]])
def test_resize_by_scales(mode: str, rule: str, scales: list[float]) -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op(
            "Resize",
            x,
            None,
            np.array(scales, np.float32),
            mode=mode,
            coordinate_transformation_mode=rule,
        )

    check(net, {"x": normal(2, 3, 5, 4)}, by="linear")


@pytest.mark.parametrize("nearest", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_resize_to_sizes(nearest: str) -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("Resize", x, None, None, np.array([2, 3, 9, 3]), nearest_mode=nearest)

    check(net, {"x": normal(2, 3, 5, 4)}, by="linear")
