"""Gradients of operators that take any shape, over shapes, axes and settings."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import apart, check, normal

SHAPES = array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)
LAYERED = array_shapes(min_dims=3, max_dims=4, min_side=1, max_side=4)
FEW = settings(max_examples=25, deadline=None)


@pytest.mark.parametrize(
    "kind", ["Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Relu", "Softplus", "Tanh"]
)
@given(SHAPES)
@settings(max_examples=8, deadline=None)
def test_activations(kind: str, shape: tuple[int, ...]) -> None:
    check(lambda build, x: build.op(kind, x), {"x": 3 * apart(*shape)}, opset=20)


@pytest.mark.parametrize("kind", ["LogSoftmax", "Softmax"])
@given(st.data(), SHAPES)
@FEW
def test_softmax(kind: str, data: st.DataObject, shape: tuple[int, ...]) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    check(lambda build, x: build.op(kind, x, axis=axis), {"x": normal(*shape)})


@pytest.mark.parametrize("kind", ["ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"])
@given(st.data(), SHAPES, st.integers(0, 1))
@FEW
def test_reductions(kind: str, data: st.DataObject, shape: tuple[int, ...], keep: int) -> None:
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
    signed = [axis - data.draw(st.sampled_from([0, len(shape)])) for axis in sorted(axes)]

    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op(kind, x, np.array(signed), keepdims=keep)

    check(net, {"x": apart(*shape)}, opset=18)


@given(st.data(), SHAPES)
@FEW
def test_transpose_and_gather(data: st.DataObject, shape: tuple[int, ...]) -> None:
    perm = data.draw(st.permutations(range(len(shape))))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    size = shape[perm[axis]]
    index = data.draw(st.lists(st.integers(-size, size - 1), min_size=1, max_size=4))

    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("Gather", build.op("Transpose", x, perm=perm), np.array(index), axis=axis)

    check(net, {"x": normal(*shape)}, by="linear")


@given(st.data(), SHAPES)
@FEW
def test_concat_and_split(data: st.DataObject, shape: tuple[int, ...]) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    used = data.draw(st.sets(st.integers(0, len(sizes) - 1), min_size=1))
    parts = {}
    for number, size in enumerate(sizes):
        part = list(shape)
        part[axis] = size
        parts[str(number)] = normal(*part, seed=number)

    def net(build: GraphBuilder, *values: ir.Value) -> ir.Value:
        whole = build.op("Concat", *values, axis=axis)
        cut = build.op_many("Split", whole, np.array(sizes), outputs=len(sizes), axis=axis)
        chosen = [build.op("Reshape", cut[number], np.array([-1])) for number in sorted(used)]
        return build.op("Concat", *chosen, axis=0)

    check(net, parts, by="linear")


@given(st.data(), SHAPES, st.booleans())
@FEW
def test_layer_normalization(data: st.DataObject, shape: tuple[int, ...], biased: bool) -> None:
    shape = (*shape, 3)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    inputs = {"x": apart(*shape), "scale": normal(*shape[axis:], seed=1)}
    if biased:
        inputs["bias"] = normal(*shape[axis:], seed=2)
    check(lambda build, *values: build.op("LayerNormalization", *values, axis=axis), inputs)


@pytest.mark.parametrize("kind", ["BatchNormalization", "InstanceNormalization"])
@given(LAYERED)
@FEW
def test_normalization_by_channel(kind: str, shape: tuple[int, ...]) -> None:
    shape = (*shape[:-1], shape[-1] + 2)
    channels = shape[1]
    inputs = {"x": apart(*shape)}
    inputs |= {name: normal(channels, seed=seed) for seed, name in enumerate(("scale", "bias"))}
    if kind == "BatchNormalization":
        inputs["mean"] = normal(channels, seed=3)
        inputs["variance"] = np.abs(normal(channels, seed=4)) + np.float32(0.5)
    check(lambda build, *values: build.op(kind, *values, epsilon=1e-3), inputs)


@given(
    array_shapes(min_dims=4, max_dims=4, max_side=5),
    st.lists(st.integers(1, 9), min_size=2, max_size=2),
    st.sampled_from(["nearest", "linear"]),
    st.sampled_from(["half_pixel", "asymmetric", "align_corners"]),
)
@FEW
def test_resize(shape: tuple[int, ...], size: list[int], mode: str, rule: str) -> None:
    sizes = np.array([*shape[:2], *size])
    how: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": rule}
    check(
        lambda b, x: b.op("Resize", x, None, None, sizes, **how), {"x": normal(*shape)}, by="linear"
    )
