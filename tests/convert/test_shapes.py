"""Whatever moves, cuts or joins, in chains of any layout."""

from collections.abc import Callable

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

Shape = list[int]
Step = Callable[[GraphBuilder, ir.Value, Shape, st.DrawFn], tuple[ir.Value, Shape]]


def integers(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


def transpose(
    build: GraphBuilder, x: ir.Value, shape: Shape, draw: st.DrawFn
) -> tuple[ir.Value, Shape]:
    perm = draw(st.permutations(range(len(shape))))
    return build.op("Transpose", x, perm=perm), [shape[axis] for axis in perm]


def reshape(
    build: GraphBuilder, x: ir.Value, shape: Shape, draw: st.DrawFn
) -> tuple[ir.Value, Shape]:
    first = draw(st.integers(0, len(shape) - 1))
    last = draw(st.integers(first, len(shape) - 1))
    new = [*shape[:first], int(np.prod(shape[first : last + 1])), *shape[last + 1 :]]
    if new == shape and shape[first] % 2 == 0 and len(shape) < 5:
        new = [*shape[:first], 2, shape[first] // 2, *shape[first + 1 :]]
    return build.op("Reshape", x, integers(*new)), new


def flatten(
    build: GraphBuilder, x: ir.Value, shape: Shape, draw: st.DrawFn
) -> tuple[ir.Value, Shape]:
    axis = draw(st.integers(0, len(shape)))
    new = [int(np.prod(shape[:axis])), int(np.prod(shape[axis:]))]
    return build.op("Flatten", x, axis=axis), new


def squeeze(
    build: GraphBuilder, x: ir.Value, shape: Shape, draw: st.DrawFn
) -> tuple[ir.Value, Shape]:
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    if not ones or len(shape) < 2:
        return x, shape
    axis = draw(st.sampled_from(ones))
    return build.op("Squeeze", x, integers(axis)), shape[:axis] + shape[axis + 1 :]


def unsqueeze(
    build: GraphBuilder, x: ir.Value, shape: Shape, draw: st.DrawFn
) -> tuple[ir.Value, Shape]:
    if len(shape) > 4:
        return x, shape
    axis = draw(st.integers(0, len(shape)))
    return build.op("Unsqueeze", x, integers(axis)), [*shape[:axis], 1, *shape[axis:]]


def slice_(
    build: GraphBuilder, x: ir.Value, shape: Shape, draw: st.DrawFn
) -> tuple[ir.Value, Shape]:
    axis = draw(st.integers(0, len(shape) - 1))
    size = shape[axis]
    step = draw(st.sampled_from([1, 1, 2, -1, -2]))
    start = draw(st.integers(-size, size - 1))
    end = 2**31 if step > 0 else -(2**31)
    if draw(st.booleans()):
        end = start % size + (1 if step > 0 else -1) - size
        end = end if step < 0 else end + size
    kept = len(np.arange(size)[slice(start, end, step)])
    if step < 0 and start % size == 0 and end > -(2**31):
        kept = 0
    if kept == 0:
        return x, shape
    value = build.op("Slice", x, integers(start), integers(end), integers(axis), integers(step))
    return value, [*shape[:axis], kept, *shape[axis + 1 :]]


def split(
    build: GraphBuilder, x: ir.Value, shape: Shape, draw: st.DrawFn
) -> tuple[ir.Value, Shape]:
    axis = draw(st.integers(0, len(shape) - 1))
    if shape[axis] < 2:
        return x, shape
    first = draw(st.integers(1, shape[axis] - 1))
    parts = build.op_many("Split", x, integers(first, shape[axis] - first), outputs=2, axis=axis)
    return parts[0], [*shape[:axis], first, *shape[axis + 1 :]]


def concat(
    build: GraphBuilder, x: ir.Value, shape: Shape, draw: st.DrawFn
) -> tuple[ir.Value, Shape]:
    axis = draw(st.integers(0, len(shape) - 1))
    more = [*shape[:axis], 2, *shape[axis + 1 :]]
    value = build.op("Concat", build.op("Neg", x), normal(more), x, axis=axis)
    return value, [*shape[:axis], 2 * shape[axis] + 2, *shape[axis + 1 :]]


def pad(build: GraphBuilder, x: ir.Value, shape: Shape, draw: st.DrawFn) -> tuple[ir.Value, Shape]:
    if len(shape) > 4:
        return x, shape
    reflects = draw(st.booleans())
    widths = [draw(st.integers(0, size - 1 if reflects else 2)) for size in shape * 2]
    if reflects:
        value = build.op("Pad", x, integers(*widths), mode="reflect")
    else:
        value = build.op("Pad", x, integers(*widths), draw(st.sampled_from([0.0, 1.5])))
    rank = len(shape)
    return value, [size + widths[axis] + widths[rank + axis] for axis, size in enumerate(shape)]


def reduce(
    build: GraphBuilder, x: ir.Value, shape: Shape, draw: st.DrawFn
) -> tuple[ir.Value, Shape]:
    axes = sorted(draw(st.sets(st.integers(0, len(shape) - 1), min_size=1)))
    keeps = draw(st.sampled_from([0, 1])) if len(axes) < len(shape) else 1
    kind = draw(st.sampled_from(["ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum"]))
    if kind == "ReduceSum":
        value = build.op(kind, x, integers(*axes), keepdims=keeps)
    else:
        value = build.op(kind, x, axes=axes, keepdims=keeps)
    sizes = [1 if axis in axes else size for axis, size in enumerate(shape)]
    return value, [size for axis, size in enumerate(sizes) if keeps or axis not in axes]


def gather(
    build: GraphBuilder, x: ir.Value, shape: Shape, draw: st.DrawFn
) -> tuple[ir.Value, Shape]:
    axis = draw(st.integers(0, len(shape) - 1))
    places = draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), min_size=1, max_size=3))
    value = build.op("Gather", x, integers(*places), axis=axis)
    return value, [*shape[:axis], len(places), *shape[axis + 1 :]]


STEPS: list[Step] = [
    transpose, reshape, flatten, squeeze, unsqueeze, slice_, split, concat, pad, reduce, gather,
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.data(), st.booleans())
def test_a_chain_of_moves_gives_the_same(data: st.DataObject, xnnpack: bool) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    build = GraphBuilder("moves")
    x = value = build.input("x", np.float32, shape)
    feeds = {"x": normal(shape, seed=data.draw(seeds))}
    if len(shape) in (3, 4) and data.draw(st.booleans()):
        value = build.op("Conv", x, normal((shape[1], shape[1], *[1] * (len(shape) - 2))))
    for step in data.draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=4)):
        value, shape = step(build, value, shape, data.draw)
    value = build.op("Mul", value, 2.0)
    require_same(gives(build, len(shape), y=value), feeds, xnnpack=xnnpack)


def test_a_channel_shuffle_moves_the_channels_alone() -> None:
    build = GraphBuilder("shuffle")
    value = build.input("x", np.float32, (1, 6, 4, 4))
    value = build.op("Conv", value, normal((6, 6, 1, 1)))
    value = build.op("Reshape", value, integers(1, 2, 3, 4, 4))
    value = build.op("Transpose", value, perm=[0, 2, 1, 3, 4])
    value = build.op("Reshape", value, integers(1, 6, 4, 4))
    value = build.op("Conv", value, normal((6, 6, 1, 1)))
    used = require_same(gives(build, 4, y=value), {"x": normal((1, 6, 4, 4))})
    assert used.count("TRANSPOSE") == 3  # at both ends, and the shuffle itself


def test_a_picture_that_becomes_channels_first_for_a_conv_is_not_moved() -> None:
    build = GraphBuilder("picture")
    x = build.input("x", np.float32, (1, 4, 4, 3))
    value = build.op("Conv", build.op("Transpose", x, perm=[0, 3, 1, 2]), normal((5, 3, 3, 3)))
    value = build.op("Transpose", build.op("Relu", value), perm=[0, 2, 3, 1])
    used = require_same(gives(build, 4, y=value), {"x": normal((1, 4, 4, 3))})
    assert used == ["CONV_2D"]


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_an_argmax_gives_the_same(axis: int, keepdims: int) -> None:
    build = GraphBuilder("best")
    x = build.input("x", np.float32, (1, 3, 4, 5))
    value = build.op("Conv", x, normal((3, 3, 1, 1)))
    value = build.op("ArgMax", value, axis=axis, keepdims=keepdims)
    model = build.finish(y=(value, np.int64, [None] * (3 + keepdims)))
    require_same(model, {"x": normal((1, 3, 4, 5))})


@pytest.mark.parametrize("indices", [2, [[0, 1], [2, -1]]])
def test_a_gather_changes_how_many_axes_there_are(indices: int | list[list[int]]) -> None:
    build = GraphBuilder("gather")
    x = build.input("x", np.float32, (2, 3, 4))
    value = build.op("Gather", x, np.array(indices, np.int64), axis=1)
    require_same(gives(build, 2 + np.ndim(indices), y=value), {"x": normal((2, 3, 4))})


def test_an_output_may_be_an_input_or_another_output() -> None:
    build = GraphBuilder("same")
    x = build.input("x", np.float32, (2, 3))
    once, again = build.op("Identity", x), build.op("Identity", x)
    used = require_same(gives(build, 2, y=once, z=again), {"x": normal((2, 3))})
    assert used == ["RESHAPE", "RESHAPE"]


def test_an_output_may_be_constant() -> None:
    build = GraphBuilder("constant")
    x = build.input("x", np.float32, (2, 3))
    known = build.op("Add", normal((2, 3)), 1.0)
    require_same(gives(build, 2, y=build.op("Neg", x), z=known), {"x": normal((2, 3))})


def test_shapes_that_the_graph_computes_are_known_beforehand() -> None:
    build = GraphBuilder("computed")
    x = build.input("x", np.float32, (1, 2, 3, 4))
    batch = build.op("Slice", build.op("Shape", x), integers(0), integers(1))
    value = build.op("Reshape", x, build.op("Concat", batch, integers(-1), axis=0))
    assert operators(to_tflite(gives(build, 2, y=value))) == ["RESHAPE"]


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_a_depth_to_space_gives_the_same(mode: str) -> None:
    build = GraphBuilder("grow")
    x = build.input("x", np.float32, (1, 12, 3, 2))
    model = gives(build, 4, y=build.op("DepthToSpace", x, blocksize=2, mode=mode))
    require_same(model, {"x": normal((1, 12, 3, 2))})


def test_a_space_to_depth_gives_the_same() -> None:
    build = GraphBuilder("shrink")
    x = build.input("x", np.float32, (1, 3, 6, 4))
    require_same(
        gives(build, 4, y=build.op("SpaceToDepth", x, blocksize=2)), {"x": normal((1, 3, 6, 4))}
    )


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 4, 5), (2, 2, 3, 4, 5), (3, 1, 1)])
def test_an_expand_gives_the_same(shape: tuple[int, ...]) -> None:
    build = GraphBuilder("expand")
    x = build.input("x", np.float32, (2, 3, 1, 5))
    value = build.op("Expand", build.op("Conv", x, normal((3, 3, 1, 1))), integers(*shape))
    require_same(gives(build, max(4, len(shape)), y=value), {"x": normal((2, 3, 1, 5))})


def test_a_tile_gives_the_same() -> None:
    build = GraphBuilder("tile")
    x = build.input("x", np.float32, (1, 3, 2, 5))
    value = build.op("Tile", build.op("Conv", x, normal((3, 3, 1, 1))), integers(2, 3, 1, 2))
    require_same(gives(build, 4, y=value), {"x": normal((1, 3, 2, 5))})


def test_a_shape_that_a_rewrite_left_behind_is_forgotten() -> None:
    build = GraphBuilder("stale")
    x = build.input("x", np.float32, (2, 6))
    inner = build.op("Reshape", x, integers(3, 4))
    inner.shape = ir.Shape((12,))
    require_same(gives(build, 2, y=build.op("Neg", inner)), {"x": normal((2, 6))})


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64])
def test_integers_move_as_they_are(dtype: type) -> None:
    build = GraphBuilder("integers")
    x = build.input("x", dtype, (1, 4, 4, 3))
    value = build.op("Transpose", x, perm=[0, 3, 1, 2])
    value = build.op("Slice", value, integers(1), integers(4), integers(2))
    value = build.op("Concat", value, value, axis=1)
    model = build.finish(y=(build.op("Reshape", value, integers(6, 12)), dtype, (6, 12)))
    numbers = np.random.default_rng(0).integers(0, 100, (1, 4, 4, 3)).astype(dtype)
    require_same(model, {"x": numbers})


def test_a_split_in_halves_is_one_operator_and_others_are_slices() -> None:
    build = GraphBuilder("split")
    x = build.input("x", np.float32, (1, 6))
    halves = build.op_many("Split", x, outputs=2, axis=1)
    pieces = build.op_many("Split", x, integers(1, 2, 3), outputs=3, axis=1)
    values = dict(zip("abcde", [*halves, *pieces], strict=True))
    used = require_same(gives(build, 2, **values), {"x": normal((1, 6))})
    assert used == ["SPLIT", "SLICE", "SLICE", "SLICE"]
