"""Gradients of products of matrices, of softmax, and of reductions."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import check, normal

FLAGS = st.sampled_from([0, 1])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((3,), (3, 4)),
        ((2, 3), (3,)),
        ((3,), (3,)),
        ((3,), (2, 3, 4)),
        ((2, 2, 3), (3,)),
    ],
)
def test_matmul(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    inputs = {"a": normal(*a), "b": normal(*b, seed=1)}
    check(lambda build, left, right: build.op("MatMul", left, right), inputs)


@given(FLAGS, FLAGS, st.sampled_from([None, (), (4,), (2, 1), (1, 4), (2, 4)]))
@settings(max_examples=20, deadline=None)
def test_gemm(flip_a: int, flip_b: int, c: tuple[int, ...] | None) -> None:
    inputs = {
        "a": normal(*((3, 2) if flip_a else (2, 3))),
        "b": normal(*((4, 3) if flip_b else (3, 4)), seed=1),
    }
    if c is not None:
        inputs["c"] = normal(*c, seed=2)

    def net(build: GraphBuilder, *values: ir.Value) -> ir.Value:
        return build.op("Gemm", *values, alpha=0.5, beta=3.0, transA=flip_a, transB=flip_b)

    check(net, inputs)


@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_softmax(kind: str, axis: int) -> None:
    check(lambda build, x: build.op(kind, x, axis=axis), {"x": normal(3, 4, 2)})


@pytest.mark.parametrize("kind", ["ReduceMean", "ReduceSum"])
@pytest.mark.parametrize("axes", [[0], [-1], [0, 2], [1, -1], None])
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("opset", [17, 18])
def test_sums_and_means(kind: str, axes: list[int] | None, keepdims: int, opset: int) -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        if axes is None:
            return build.op(kind, x, keepdims=keepdims)
        if kind == "ReduceMean" and opset < 18:
            return build.op(kind, x, axes=axes, keepdims=keepdims)
        return build.op(kind, x, np.array(axes), keepdims=keepdims)

    check(net, {"x": normal(2, 3, 4)}, opset=opset)


def test_a_sum_over_no_axes_is_the_thing_itself() -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("ReduceSum", x, noop_with_empty_axes=1)

    check(net, {"x": normal(2, 3)})
