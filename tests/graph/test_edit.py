"""Small edits keep a graph's signature and leave nothing behind."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from edgekit.array import Array
from edgekit.errors import UnsupportedModel
from edgekit.graph.build import GraphBuilder
from edgekit.graph.edit import (
    add_initializer,
    become,
    infer_shapes,
    insert_after,
    insert_before,
    prune_unused,
    replace_node,
    set_constant,
)
from edgekit.graph.head import make_scores_head
from edgekit.graph.match import constant
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine

X = np.array([[-1.0, 2.0]], np.float32)


def relu_then_scale() -> ir.Model:
    """`y = relu(x) * 2`."""
    build = GraphBuilder("g")
    value = build.op("Relu", build.input("x", np.float32, (1, 2)))
    value = build.op("Mul", value, build.constant(np.float32(2), name="two"))
    return build.finish(y=(value, np.float32, (1, 2)))


def said(model: ir.Model) -> Array:
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    return OnnxRuntimeEngine(proto.SerializeToString()).run(X)["y"]


def node(model: ir.Model, kind: str) -> ir.Node:
    return next(node for node in model.graph if node.op_type == kind)


def test_a_new_constant_takes_the_place_and_name_of_the_old_one() -> None:
    model = relu_then_scale()
    value = set_constant(model, node(model, "Mul"), 1, np.array(3.0))
    assert (value.name, value.dtype, list(model.graph.initializers)) == (
        "two",
        ir.DataType.FLOAT,
        ["two"],
    )
    np.testing.assert_array_equal(said(model), [[0, 6]])


def test_a_constant_that_another_node_reads_stays() -> None:
    model = relu_then_scale()
    mul = node(model, "Mul")
    again = ir.node("Mul", [mul.outputs[0], mul.inputs[1]])
    insert_after(model, mul.outputs[0], [again])
    set_constant(model, mul, 1, np.array(3.0))
    assert len(model.graph.initializers) == 2
    np.testing.assert_array_equal(said(model), [[0, 12]])


def test_a_missing_input_is_appended() -> None:
    build = GraphBuilder("g")
    weights = np.eye(2, dtype=np.float32)
    value = build.op("Gemm", build.input("x", np.float32, (1, 2)), weights)
    model = build.finish(y=(value, np.float32, (1, 2)))
    set_constant(model, node(model, "Gemm"), 2, np.array([10.0, 20.0]))
    np.testing.assert_array_equal(said(model), [[9, 22]])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.float64, np.float16])
def test_an_initialiser_keeps_its_dtype_and_gets_a_free_name(dtype: type) -> None:
    model = relu_then_scale()
    first = add_initializer(model, "x", np.zeros((2, 3), dtype))
    second = add_initializer(model, "x", np.zeros(4, dtype))
    assert (first.name, second.name) == ("x_1", "x_2")
    assert first.shape == ir.Shape((2, 3))
    stored = constant(first)
    assert stored is not None
    assert stored.dtype == dtype


def test_replacing_the_last_node_keeps_the_public_name() -> None:
    model = relu_then_scale()
    mul = node(model, "Mul")
    assert mul.inputs[0] is not None
    replace_node(mul, with_value=mul.inputs[0])
    np.testing.assert_array_equal(said(model), [[0, 2]])
    assert [n.op_type for n in model.graph] == ["Relu"]


def test_an_input_cannot_become_an_output_so_an_identity_stands_between() -> None:
    model = relu_then_scale()
    replace_node(node(model, "Mul"), with_value=model.graph.inputs[0])
    prune_unused(model)
    np.testing.assert_array_equal(said(model), X)
    assert [n.op_type for n in model.graph] == ["Identity"]
    assert [value.name for value in model.graph.inputs] == ["x"]


def test_a_node_becomes_another_under_its_name() -> None:
    model = relu_then_scale()
    relu = node(model, "Relu")
    before = (relu.name, relu.outputs[0].name)
    new = become(relu, "LeakyRelu", relu.inputs, {"alpha": 0.5})
    assert (new.name, new.outputs[0].name) == before
    become(node(model, "Mul"), "Add", node(model, "Mul").inputs)
    assert model.graph.outputs[0].name == "y"
    np.testing.assert_array_equal(said(model), [[1.5, 4]])


def test_a_new_head_takes_no_name_that_a_constant_has() -> None:
    """onnx-ir names what has no name, but does not know the names of constants."""
    build = GraphBuilder("g")
    weights = build.constant(np.ones((2, 3), np.float32), "val_0")
    logits = build.op("MatMul", build.input("x", np.float32, (1, 2)), weights)
    logits.name = "logits"
    model = ir.from_proto(ir.to_proto(build.finish(y=(logits, np.float32, (1, 3, 1)))))
    model.graph.outputs[0].shape = ir.Shape((1, 3, 1))
    make_scores_head(model)
    names = [value.name for each in model.graph for value in each.outputs]
    assert len({*names, *model.graph.initializers}) == len(names) + 1


def test_two_outputs_may_become_one_value() -> None:
    build = GraphBuilder("g")
    relu = build.op("Relu", build.input("x", np.float32, (1, 2)))
    same = build.op("Dropout", relu)
    model = build.finish(r=(relu, np.float32, (1, 2)), y=(same, np.float32, (1, 2)))
    replace_node(node(model, "Dropout"), with_value=relu)
    assert [value.name for value in model.graph.outputs] == ["r", "y"]
    np.testing.assert_array_equal(said(model), [[0, 2]])


def test_what_is_inserted_after_an_output_takes_its_name() -> None:
    model = relu_then_scale()
    value = node(model, "Mul").outputs[0]
    first = ir.node("Neg", [value])
    insert_after(model, value, [first, ir.node("Exp", [first.outputs[0]])])
    np.testing.assert_allclose(said(model), np.exp([[0, -4.0]]), rtol=1e-6)
    assert model.graph.outputs[0].name == "y"


def test_nodes_of_one_kind_that_are_inserted_have_outputs_of_their_own_name() -> None:
    model = relu_then_scale()
    for insert in (
        lambda chain: insert_after(model, node(model, "Relu").outputs[0], chain),
        lambda chain: insert_before(model, node(model, "Mul"), 0, chain),
    ):
        first = ir.node("Neg", [node(model, "Mul").inputs[0]])
        insert([first, ir.node("Neg", [first.outputs[0]])])
    np.testing.assert_array_equal(said(model), [[0, 4]])


def test_what_is_inserted_after_an_input_leaves_the_input() -> None:
    model = relu_then_scale()
    data = model.graph.inputs[0]
    insert_after(model, data, [ir.node("Neg", [data])])
    np.testing.assert_array_equal(said(model), [[2, 0]])


def test_what_is_inserted_before_one_reader_is_seen_by_it_alone() -> None:
    build = GraphBuilder("g")
    data = build.input("x", np.float32, (1, 2))
    value = build.op("Sub", build.op("Relu", data), build.op("Neg", data))
    model = build.finish(y=(value, np.float32, (1, 2)))
    insert_before(model, node(model, "Relu"), 0, [ir.node("Neg", [data])])
    np.testing.assert_array_equal(said(model), [[0, 2]])


def test_what_nobody_reads_is_pruned_and_the_signature_stays() -> None:
    model = relu_then_scale()
    model.graph.append(ir.node("Exp", [model.graph.inputs[0]]))
    add_initializer(model, "unread", np.zeros(3))
    assert prune_unused(model)
    assert not prune_unused(model)
    assert [n.op_type for n in model.graph] == ["Relu", "Mul"]
    assert list(model.graph.initializers) == ["two"]


def test_shapes_are_found_and_weights_stay_where_they_were() -> None:
    build = GraphBuilder("g")
    data = build.input("x", np.float32, (1, 3, 8, 8))
    kernel = np.zeros((64, 3, 3, 3), np.float32)
    value = build.op("Relu", build.op("Conv", data, kernel))
    value = build.op("Reshape", value, np.array([1, -1]))
    model = build.finish(y=(value, np.float32, (None, None)))
    before = [tensor.const_value for tensor in model.graph.initializers.values()]
    assert infer_shapes(model) is model
    assert list(node(model, "Conv").outputs[0].shape or ()) == [1, 64, 6, 6]
    assert list(model.graph.outputs[0].shape or ()) == [1, 64 * 36]
    after = [tensor.const_value for tensor in model.graph.initializers.values()]
    assert all(one is other for one, other in zip(before, after, strict=True))


def test_branches_with_the_same_names_keep_their_own_shapes() -> None:
    def branch(name: str, width: int) -> onnx.GraphProto:
        weights = helper.make_tensor("w", TensorProto.FLOAT, [width], [1.0] * width)
        made = [helper.make_node("Constant", [], ["b"], value=weights)]
        made.append(helper.make_node("Neg", ["b"], ["n"]))
        out = helper.make_tensor_value_info("n", TensorProto.FLOAT, None)
        return helper.make_graph(made, name, [], [out])

    fork = helper.make_node(
        "If", ["c"], ["y"], then_branch=branch("t", 2), else_branch=branch("e", 3)
    )
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    proto = helper.make_model(
        helper.make_graph([fork], "g", [condition], [out]),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    model = infer_shapes(ir.from_proto(proto))
    shapes = [list(graph.outputs[0].shape or ()) for graph in model.graph.subgraphs()]
    assert sorted(shapes) == [[2], [3]]


def test_shapes_that_contradict_each_other_are_refused() -> None:
    build = GraphBuilder("g")
    data = build.input("x", np.float32, (1, 3))
    value = build.op("MatMul", data, np.zeros((4, 2), np.float32))
    model = build.finish(y=(value, np.float32, (1, 2)))
    with pytest.raises(UnsupportedModel, match="do not fit together"):
        infer_shapes(model)
