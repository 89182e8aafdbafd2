"""Gradients of products of matrices, of softmax, and of reductions."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.autodiff import gradients
from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import apart, check, model_of, normal, run

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


@pytest.mark.parametrize("kind", ["ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"])
@pytest.mark.parametrize("axes", [[0], [-1], [0, 2], [1, -1], None])
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("opset", [17, 18])
def test_reductions(kind: str, axes: list[int] | None, keepdims: int, opset: int) -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        if axes is None:
            return build.op(kind, x, keepdims=keepdims)
        if kind != "ReduceSum" and opset < 18:
            return build.op(kind, x, axes=axes, keepdims=keepdims)
        return build.op(kind, x, np.array(axes), keepdims=keepdims)

    check(net, {"x": apart(2, 3, 4)}, opset=opset)


def test_equal_extremes_share_the_gradient_and_a_norm_of_0_has_none() -> None:
    x = np.array([[3, 1, 3], [0, 0, 0]], np.float32)
    for kind, wanted in (
        ("ReduceMax", [[0.5, 0, 0.5], [2 / 3] * 3]),
        ("ReduceL2", [[3 / 19**0.5, 1 / 19**0.5, 3 / 19**0.5], [0, 0, 0]]),
    ):
        model = model_of(lambda build, x, kind=kind: build.op(kind, x, axes=[1]), {"x": x})
        dy = np.array([[1], [2]], np.float32)
        found = run(gradients(model, "y", ["x"], seed="dy"), {"x": x, "dy": dy})
        np.testing.assert_allclose(found["grad(x)"], wanted, 1e-6)


def test_a_sum_over_no_axes_is_the_thing_itself() -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("ReduceSum", x, noop_with_empty_axes=1)

    check(net, {"x": normal(2, 3)})
