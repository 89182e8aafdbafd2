"""What hands on what it reads goes, unless it gives it a public name."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from edgekit.graph.passes.remove_identity import RemoveIdentity
from edgekit.graph.verify import snapshot
from tests.graph.passes.checking import Net, check_still_the_same, declined, numbers, rewritten


@pytest.mark.parametrize("kind", ["Identity", "Dropout"])
def test_it_goes_from_the_middle_and_the_end(kind: str) -> None:
    net = Net(1, 3)
    value = net.op("Relu", net.op(kind, net.x))
    assert rewritten(RemoveIdentity(), net.of(net.op(kind, value))) == ["Relu"]


def test_a_dropout_that_says_it_does_not_train_goes() -> None:
    net = Net(1, 3)
    value = net.op("Dropout", net.op("Relu", net.x), np.float32(0.5), np.array(False))
    assert rewritten(RemoveIdentity(), net.of(value)) == ["Relu"]


def test_a_dropout_that_may_train_is_left_alone() -> None:
    for trains in (np.array(True), None):
        net = Net(1, 3)
        switch = net.op("Cast", net.op("ReduceMax", net.x, keepdims=0), to=ir.DataType.BOOL)
        value = net.op("Dropout", net.x, np.float32(0.5), switch if trains is None else trains)
        assert declined(RemoveIdentity(), net.of(value))


def test_a_dropout_whose_mask_is_read_is_left_alone() -> None:
    net = Net(1, 3)
    value, mask = net.build.op_many("Dropout", net.x, outputs=2)
    kept = net.op("Where", mask, value, net.x)
    assert declined(RemoveIdentity(), net.of(kept))


def test_an_input_that_is_public_again_keeps_its_identity() -> None:
    net = Net(1, 3)
    assert declined(RemoveIdentity(), net.of(net.op("Identity", net.x)))


def test_a_constant_that_is_public_keeps_its_identity() -> None:
    net = Net(1, 3)
    same = net.op("Identity", net.build.constant(numbers(3), "c"))
    assert declined(RemoveIdentity(), net.of(net.op("Relu", net.x), same))


def test_two_public_names_of_one_value_keep_theirs() -> None:
    net = Net(1, 3)
    value = net.op("Relu", net.x)
    assert declined(RemoveIdentity(), net.of(value, net.op("Identity", value)))


def branch(name: str, kind: str) -> onnx.GraphProto:
    nodes = [helper.make_node("Identity", ["x"], [f"{name}_same"])]
    nodes.append(helper.make_node(kind, [f"{name}_same"], [f"{name}_made"]))
    nodes.append(helper.make_node("Identity", [f"{name}_made"], [f"{name}_out"]))
    out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, [2])
    return helper.make_graph(nodes, name, [], [out])


def forked(then: onnx.GraphProto, otherwise: onnx.GraphProto) -> ir.Model:
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["sum"], ["c"], to=TensorProto.BOOL),
        helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=otherwise),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    graph = helper.make_graph(nodes, "g", [x], [y])
    opsets = [helper.make_opsetid("", 17)]
    return ir.from_proto(helper.make_model(graph, opset_imports=opsets, ir_version=8))


def test_subgraphs_are_walked() -> None:
    model = forked(branch("t", "Neg"), branch("e", "Exp"))
    rewritten(RemoveIdentity(), model)
    left = [[node.op_type for node in graph] for graph in model.graph.subgraphs()]
    assert sorted(left) == [["Exp"], ["Neg"]]


def test_an_outer_value_that_a_branch_hands_out_keeps_its_identity() -> None:
    nodes = [helper.make_node("Identity", ["x"], ["e_out"])]
    out = helper.make_tensor_value_info("e_out", TensorProto.FLOAT, [2])
    model = forked(branch("t", "Neg"), helper.make_graph(nodes, "e", [], [out]))
    before = snapshot(model)
    one = RemoveIdentity()
    assert one(model).modified
    check_still_the_same(one, before, model)
    left = [[node.op_type for node in graph] for graph in model.graph.subgraphs()]
    assert sorted(left) == [["Identity"], ["Neg"]]
