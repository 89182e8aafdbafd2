"""Which gradients `gradients` gives, of what, and what it refuses."""

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from edgekit.autodiff import gradients
from edgekit.autodiff.registry import FAMILIES, rule_of
from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.build import GraphBuilder
from edgekit.zoo.squeezenet import build_squeezenet
from tests.autodiff.differences import apart, check, in_double, model_of, normal, run


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


def test_a_branch_that_reads_a_value_from_outside_is_on_the_way() -> None:
    text = """
        <ir_version: 8, opset_import: ["": 17]>
        net (float[2] x, bool c) => (float[2] y) {
            a = Exp(x)
            y = If(c) <
                then_branch = one () => (float[2] b) { b = Neg(a) },
                else_branch = two () => (float[2] d) { d = Identity(a) }
            >
        }
    """
    model = ir.from_proto(onnx.parser.parse_model(text))
    with pytest.raises(UnsupportedModel, match="If node"):
        gradients(model, "y", ["x"], seed="v")


def test_numbers_in_a_constant_node_are_found() -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        starts, ends = (build.op("Constant", value_ints=[number]) for number in (1, 3))
        return build.op("Slice", x, starts, ends)

    check(net, {"x": normal(4)})


def test_a_computed_number_that_a_rule_has_to_know_is_named() -> None:
    def net(build: GraphBuilder, x: ir.Value, training: ir.Value) -> ir.Value:
        return build.op("Dropout", x, 0.5, training)

    model = model_of(net, {"x": normal(4), "training": np.array(False)})
    with pytest.raises(UnsupportedModel, match="'training'"):
        gradients(model, "y", ["x"], seed="v")


def test_a_dynamic_axis_is_named_where_a_rule_needs_its_size() -> None:
    build = GraphBuilder("dynamic")
    x = build.input("x", np.float32, ("batch", 3))
    model = build.finish(y=(build.op("Softmax", x), np.float32, ("batch", 3)))
    with pytest.raises(UnsupportedModel, match="static shape"):
        gradients(model, "y", ["x"], seed="v")


def test_float64_stays_float64() -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        hidden = build.op("Tanh", build.op("Relu", build.op("MatMul", x, x)))
        return build.op("ReduceMean", build.op("Softmax", hidden), keepdims=0)

    x = normal(3, 3).astype(np.float64)
    build = GraphBuilder("wide")
    value = build.input("x", np.float64, x.shape)
    model = build.finish(y=(net(build, value), np.float64, ()))
    found = run(gradients(model, "y", ["x"]), {"x": x})
    assert found["grad(x)"].dtype == np.float64


@pytest.mark.parametrize("kind", [kind for kinds in FAMILIES.values() for kind in kinds])
def test_every_operator_in_the_table_has_its_rule_in_the_file_that_it_names(kind: str) -> None:
    assert rule_of(ir.node(kind, [])) is not None


def test_a_whole_network_has_the_slope_of_its_differences() -> None:
    """SqueezeNet's 26 weights, all moved at once."""
    model = build_squeezenet(classes=5, size=33)
    model.graph.outputs[0].name = "scores"
    names = [
        str(node.inputs[1].name)
        for node in model.graph
        if node.op_type == "Conv" and node.inputs[1] is not None
    ]
    weights = {
        name: np.asarray(model.graph.initializers[name].const_value.numpy()) for name in names
    }
    proto = in_double(ir.to_proto(model))
    kept = [tensor for tensor in proto.graph.initializer if tensor.name not in weights]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    for name, array in weights.items():
        proto.graph.input.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, array.shape)
        )
    exact = ReferenceEvaluator(proto)
    x, dy = normal(1, 3, 33, 33), normal(1, 5, seed=1)
    found = run(gradients(model, "scores", names, seed="dy"), {"data": x, "dy": dy})
    rng = np.random.default_rng(3)
    way = {name: rng.normal(size=w.shape) * np.std(w) for name, w in weights.items()}
    above, below = (
        exact.run(
            None,
            {"data": x.astype(np.float64)}
            | {name: w.astype(np.float64) + sign * 1e-6 * way[name] for name, w in weights.items()},
        )[0]
        for sign in (1, -1)
    )
    slope = sum(np.sum(found[f"grad({name})"] * way[name]) for name in names)
    assert slope == pytest.approx(np.sum(dy * (above - below)) / 2e-6, rel=1e-4)
