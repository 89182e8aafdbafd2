"""Which gradients `gradients` gives, of what, and what it refuses."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.autodiff import gradients
from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import apart, model_of, normal, run


def branching(build: GraphBuilder, x: ir.Value) -> ir.Value:
    """`sum(a * b + a + b)` with the inner values `a` = 2 x and `b` = relu(x)."""
    a = build.op("Mul", x, build.constant(np.float32(2), "two"))
    b = build.op("Relu", x)
    a.name, b.name = "a", "b"
    total = build.op("Sum", build.op("Mul", a, b), a, b)
    total.name = "total"
    return build.op("ReduceSum", total, keepdims=0)


X = {"x": np.array([-1, 2, 3], np.float32)}


def test_inputs_initialisers_and_inner_values_get_gradients_from_every_branch() -> None:
    model = gradients(model_of(branching, X), "y", ["x", "two", "a", "b"])
    found = run(model, X)
    a, b, passes = 2 * X["x"], np.maximum(X["x"], 0), X["x"] > 0
    assert found["y"] == (a * b + a + b).sum()
    np.testing.assert_allclose(found["grad(a)"], b + 1)
    np.testing.assert_allclose(found["grad(b)"], a + 1)
    np.testing.assert_allclose(found["grad(x)"], 2 * (b + 1) + passes * (a + 1))
    np.testing.assert_allclose(found["grad(two)"], (X["x"] * (b + 1)).sum())


def test_the_model_that_was_given_stays_as_it_was() -> None:
    model = model_of(branching, X)
    before = ir.to_proto(model).SerializeToString()
    gradients(model, "y", ["x"])
    assert ir.to_proto(model).SerializeToString() == before


def test_signature_is_the_old_one_and_a_gradient_for_each_name() -> None:
    model = gradients(model_of(branching, X), "total", ["b", "x"], seed="v")
    assert [value.name for value in model.graph.inputs] == ["x", "v"]
    assert [value.name for value in model.graph.outputs] == ["y", "grad(b)", "grad(x)"]
    assert [list(value.shape or ()) for value in model.graph.outputs] == [[], [3], [3]]


def test_the_value_itself_and_one_it_does_not_depend_on() -> None:
    model = gradients(model_of(branching, X), "b", ["b", "a"], seed="v")
    found = run(model, {**X, "v": np.array([1, 2, 3], np.float32)})
    assert found["grad(b)"].tolist() == [1, 2, 3]
    assert found["grad(a)"].tolist() == [0, 0, 0]


def test_only_what_lies_on_the_way_gets_a_backward() -> None:
    model = model_of(branching, X)
    before = list(model.graph)
    added = list(gradients(model, "total", ["b"], seed="v").graph)[len(before) :]
    assert sorted(node.op_type for node in added) == ["Add", "Identity", "Mul"]


def test_no_reader_is_left_of_a_gradient_that_nobody_wanted() -> None:
    model = gradients(model_of(branching, X), "y", ["b"])
    for value in ir.convenience.create_value_mapping(model.graph).values():
        assert all(node.graph is model.graph for node, _ in value.uses())


def test_gradients_of_gradients() -> None:
    cube = model_of(lambda build, x: build.op("Mul", build.op("Mul", x, x), x), X)
    first = gradients(cube, "y", ["x"], seed="v")
    second = gradients(first, "grad(x)", ["v"], seed="w")
    ones = np.ones(3, np.float32)
    found = run(second, {**X, "v": ones, "w": ones})
    np.testing.assert_allclose(found["grad(v)"], 3 * X["x"] ** 2)


def test_an_operator_without_a_rule_is_named_with_its_node() -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        return build.op("Det", x)

    model = model_of(net, {"x": normal(2, 2)})
    next(iter(model.graph)).name = "volume"
    with pytest.raises(UnsupportedModel, match="Det node 'volume'"):
        gradients(model, "y", ["x"])


def test_an_operator_without_a_rule_does_not_matter_off_the_way() -> None:
    def net(build: GraphBuilder, x: ir.Value, w: ir.Value) -> ir.Value:
        return build.op("Mul", build.op("Det", x), w)

    inputs = {"x": normal(2, 2), "w": normal(3)}
    found = run(
        gradients(model_of(net, inputs), "y", ["w"], seed="v"), {**inputs, "v": inputs["w"]}
    )
    np.testing.assert_allclose(found["grad(w)"], np.linalg.det(inputs["x"]) * inputs["w"], 1e-5)


@pytest.mark.parametrize(
    ("of", "wrt", "seed", "says"),
    [
        ("nothing", "x", None, "no value of the model is called 'nothing'"),
        ("y", "nothing", None, "no value of the model is called 'nothing'"),
        ("total", "x", None, r"shape \[3\]"),
        ("total", "x", "a", "'a'"),
    ],
)
def test_mistakes_are_named(of: str, wrt: str, seed: str | None, says: str) -> None:
    with pytest.raises(InputError, match=says):
        gradients(model_of(branching, X), of, [wrt], seed=seed)


def test_integers_have_no_gradients() -> None:
    inputs = {"x": apart(4), "i": np.array([1, 1])}
    model = model_of(lambda build, x, i: build.op("Gather", x, i), inputs)
    with pytest.raises(InputError, match="'i' holds"):
        gradients(model, "y", ["i"], seed="v")
