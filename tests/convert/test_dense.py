"""Matrix products: dense layers with all their options, and products of two activations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.graph.build import GraphBuilder
from tests.convert.engines import require_same
from tests.convert.graphs import gives, normal

CASE = settings(max_examples=60, deadline=None)
SIZES = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6))


@CASE
@given(
    SIZES,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["none", "vector", "row", "number", "column", "matrix"]),
    st.sampled_from([(1.0, 1.0), (0.5, 2.0)]),
    st.booleans(),
)
def test_a_gemm_gives_the_same(
    sizes: tuple[int, int, int],
    turn_a: bool,
    turn_b: bool,
    addend: str,
    factors: tuple[float, float],
    has_relu: bool,
) -> None:
    rows, depth, width = sizes
    shapes = {"vector": (width,), "row": (1, width), "number": (1,)}
    shapes |= {"column": (rows, 1), "matrix": (rows, width)}
    build = GraphBuilder("gemm")
    shape = (depth, rows) if turn_a else (rows, depth)
    x = build.input("x", np.float32, shape)
    weights = normal((width, depth) if turn_b else (depth, width))
    c = [normal(shapes[addend])] if addend in shapes else []
    value = build.op(
        "Gemm", x, weights, *c, alpha=factors[0], beta=factors[1], transA=int(turn_a),
        transB=int(turn_b),
    )  # fmt: skip
    if has_relu:
        value = build.op("Relu", value)
    require_same(gives(build, 2, y=value), {"x": normal(shape, seed=1)})


@CASE
@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
)
def test_a_matmul_and_its_add_are_one_dense_layer(
    shape: list[int], width: int, has_bias: bool, has_relu: bool
) -> None:
    build = GraphBuilder("matmul")
    x = build.input("x", np.float32, shape)
    value = build.op("MatMul", x, normal((shape[-1], width)))
    if has_bias:
        value = build.op("Add", normal((width,)), value)
    if has_relu:
        value = build.op("Relu", value)
    used = require_same(gives(build, len(shape), y=value), {"x": normal(shape, seed=1)})
    assert used == ["FULLY_CONNECTED"]


def test_an_add_that_widens_the_product_stays_an_add() -> None:
    build = GraphBuilder("wider")
    x = build.input("x", np.float32, (1, 4))
    value = build.op("Add", build.op("MatMul", x, normal((4, 3))), normal((2, 1, 3)))
    used = require_same(gives(build, 3, y=value), {"x": normal((1, 4))})
    assert used == ["FULLY_CONNECTED", "ADD"]


@pytest.mark.parametrize("has_relu", [False, True])
def test_a_product_of_two_activations_gives_the_same(has_relu: bool) -> None:
    build = GraphBuilder("attention")
    x = build.input("x", np.float32, (2, 3, 4, 5))
    value = build.op("MatMul", x, build.op("Transpose", x, perm=[0, 1, 3, 2]))
    value = build.op("Relu", value) if has_relu else value
    require_same(gives(build, 4, y=value), {"x": normal((2, 3, 4, 5))})


@pytest.mark.parametrize("turned", [0, 1])
def test_a_gemm_of_two_activations_gives_the_same(turned: int) -> None:
    build = GraphBuilder("both")
    x = build.input("x", np.float32, (4, 4))
    y = build.op("Sigmoid", x)
    value = build.op("Relu", build.op("Gemm", x, y, normal((4,)), alpha=0.5, transB=turned))
    require_same(gives(build, 2, y=value), {"x": normal((4, 4))})


@pytest.mark.parametrize("kind", ["Gemm", "MatMul"])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_dense_layer_after_a_picture_takes_it_as_it_lies(kind: str, batch: int) -> None:
    build = GraphBuilder("head")
    x = build.input("x", np.float32, (batch, 3, 5, 4))
    value = build.op("Flatten", build.op("Conv", x, normal((6, 3, 1, 1))), axis=1)
    value = build.op(kind, value, normal((120, 7)))
    used = require_same(gives(build, 2, y=value), {"x": normal((batch, 3, 5, 4))})
    assert used == ["TRANSPOSE", "CONV_2D", "RESHAPE", "FULLY_CONNECTED"]


def test_a_flattened_picture_that_is_read_by_others_too_is_put_in_order() -> None:
    build = GraphBuilder("read_twice")
    x = build.input("x", np.float32, (1, 3, 5, 4))
    flat = build.op("Flatten", build.op("Conv", x, normal((6, 3, 1, 1))), axis=1)
    product = build.op("MatMul", flat, normal((120, 7)))
    model = gives(build, 2, y=product, z=build.op("Neg", flat))
    require_same(model, {"x": normal((1, 3, 5, 4))})


def test_weights_that_the_graph_turns_are_turned_beforehand() -> None:
    build = GraphBuilder("turned")
    x = build.input("x", np.float32, (2, 4))
    weights = build.op("Transpose", build.constant(normal((3, 4))), perm=[1, 0])
    used = require_same(gives(build, 2, y=build.op("MatMul", x, weights)), {"x": normal((2, 4))})
    assert used == ["FULLY_CONNECTED"]
