"""Gradients of arithmetic, number by number, with broadcasting."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import BroadcastableShapes, mutually_broadcastable_shapes

from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import apart, check

PAIRS = mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4)


@given(PAIRS, st.sampled_from(["Add", "Sub", "Mul", "Div"]))
@settings(max_examples=60, deadline=None)
def test_arithmetic_with_broadcasting(shapes: BroadcastableShapes, kind: str) -> None:
    a, b = (apart(*shape, seed=seed) for seed, shape in enumerate(shapes.input_shapes))
    if kind == "Div":
        b = np.asarray(np.sign(b) * (np.abs(b) + 0.5))

    def net(build: GraphBuilder, left: ir.Value, right: ir.Value) -> ir.Value:
        return build.op(kind, left, right)

    check(net, {"a": a, "b": b})


def test_a_value_that_a_node_reads_twice_gets_both_shares() -> None:
    check(lambda build, x: build.op("Mul", x, x), {"x": apart(2, 3)})


@pytest.mark.parametrize("kind", ["Relu"])
def test_one_number_in_one_out(kind: str) -> None:
    check(lambda build, x: build.op(kind, x), {"x": apart(3, 4)})
