"""What depends on no input is computed once, unless that costs more than it saves."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from edgekit.graph.match import constant
from edgekit.graph.passes.fold_constants import FoldConstants
from edgekit.graph.verify import snapshot
from tests.graph.passes.checking import (
    Net,
    check_still_the_same,
    declined,
    kinds,
    numbers,
    rewritten,
)


def test_a_chain_of_constants_becomes_one_of_the_same_name() -> None:
    net = Net(2, 3)
    value = net.op("Exp", net.op("Neg", net.build.constant(numbers(3), "a")))
    value = net.op("Add", value, np.float32(1))
    value.name = "made"
    model = net.of(net.op("Mul", net.x, value))
    assert rewritten(FoldConstants(), model) == ["Mul"]
    assert list(model.graph.initializers) == ["made"]


def test_a_shape_that_is_computed_becomes_a_constant() -> None:
    net = Net(2, 3, 4)
    batch = net.op("Gather", net.op("Shape", net.x), np.array([0]))
    rest = net.op("Unsqueeze", net.op("Size", net.op("Shape", net.x)), np.array([0]))
    target = net.op("Concat", batch, rest, np.array([-1]), axis=0)
    model = net.of(net.op("Reshape", net.x, target))
    assert rewritten(FoldConstants(), model) == ["Reshape"]
    (shape,) = [constant(value) for value in model.graph.initializers.values()]
    assert shape is not None
    assert shape.tolist() == [2, 3, -1]


@pytest.mark.parametrize("limits", [{}, {"start": 1}, {"start": -2, "end": -1}, {"end": 9}])
def test_a_part_of_a_shape_becomes_a_constant(limits: dict[str, int]) -> None:
    net = Net(2, 3, 4)
    model = net.of(net.op("Neg", net.op("Shape", net.x, **limits)), dtype=np.int64)
    assert rewritten(FoldConstants(), model) == ["Neg"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"value_float": 2.5},
        {"value_floats": [1.0, 2.0, 3.0]},
        {"value": ir.tensor(np.ones(3, np.float32))},
    ],
)
def test_a_constant_node_becomes_an_initialiser(attributes: dict[str, object]) -> None:
    net = Net(2, 3)
    model = net.of(net.op("Mul", net.x, net.op("Constant", **attributes)))
    assert rewritten(FoldConstants(), model) == ["Mul"]


def test_an_unknown_shape_is_left_alone() -> None:
    net = Net("N", 3)
    assert declined(FoldConstants(), net.of(net.op("Shape", net.x), dtype=np.int64))


def test_a_public_constant_is_left_alone() -> None:
    net = Net(1)
    two = net.op("Neg", net.build.constant(numbers(3), "a"))
    assert declined(FoldConstants(), net.of(net.op("Relu", net.x), two))
    net = Net(1)
    assert declined(FoldConstants(), net.of(net.op("Shape", net.x), dtype=np.int64))


@pytest.mark.parametrize("kind", ["RandomNormal", "RandomUniform"])
def test_what_is_random_is_left_alone(kind: str) -> None:
    net = Net(3)
    assert declined(FoldConstants(), net.of(net.op("Add", net.x, net.op(kind, shape=[3]))))


def test_weights_in_eight_bits_stay_in_eight_bits() -> None:
    net = Net(2, 3)
    quantised = net.build.constant(np.ones((3, 4), np.int8), "q")
    weights = net.op("DequantizeLinear", quantised, np.float32(0.1), np.int8(0))
    assert declined(FoldConstants(), net.of(net.op("MatMul", net.x, weights)))


def test_a_small_grid_is_folded_and_a_big_one_is_not() -> None:
    def model(side: int) -> ir.Model:
        net = Net(1)
        grid = net.op("ConstantOfShape", np.array([side, side]))
        return net.of(net.op("Add", net.x, grid))

    assert rewritten(FoldConstants(), model(16)) == ["Add"]
    assert declined(FoldConstants(), model(256))


def test_a_big_grid_that_is_a_layers_weights_is_folded() -> None:
    net = Net(1, 256)
    weights = net.op("ConstantOfShape", np.array([256, 256]))
    assert rewritten(FoldConstants(), net.of(net.op("MatMul", net.x, weights))) == ["MatMul"]


def test_a_product_larger_than_its_factors_is_not_folded() -> None:
    net = Net(1)
    outer = net.op("Mul", net.build.constant(numbers(1, 300)), net.build.constant(numbers(300, 1)))
    assert declined(FoldConstants(), net.of(net.op("Add", net.x, outer)))


def test_what_onnxruntime_cannot_compute_is_left_alone_and_the_rest_is_folded() -> None:
    net = Net(1, 1, 4)
    doubles = net.build.constant(np.ones((1, 1, 4)), "doubles")
    bad = net.op("Conv", doubles, np.ones((1, 1, 1)))  # which it has in float32 only
    fine = net.op("Neg", net.build.constant(numbers(4), "a"))
    value = net.op("Add", net.x, net.op("Cast", bad, to=ir.DataType.FLOAT))
    model = net.of(net.op("Add", value, fine))
    assert FoldConstants()(model).modified
    assert kinds(model) == ["Conv", "Cast", "Add", "Add"]


def test_constants_of_branches_move_to_the_main_graph() -> None:
    def branch(name: str, number: float) -> object:
        tensor = helper.make_tensor("c", TensorProto.FLOAT, [1], [number])
        nodes = [
            helper.make_node("Constant", [], ["c"], value=tensor),
            helper.make_node("Neg", ["c"], ["n"]),
            helper.make_node("Mul", ["x", "n"], ["m"]),
            helper.make_node("Mul", ["m", "w"], [f"{name}_out"]),
        ]
        own = helper.make_tensor("w", TensorProto.FLOAT, [1], [number + 1])
        out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, [1])
        return helper.make_graph(nodes, name, [], [out], [own])

    nodes = [
        helper.make_node("Cast", ["x"], ["is"], to=TensorProto.BOOL),
        helper.make_node(
            "If", ["is"], ["y"], then_branch=branch("t", 2), else_branch=branch("e", 3)
        ),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    opsets = [helper.make_opsetid("", 17)]
    graph = helper.make_graph(nodes, "g", [x], [y])
    model = ir.from_proto(helper.make_model(graph, opset_imports=opsets, ir_version=8))
    before, one = snapshot(model), FoldConstants()
    assert one(model).modified
    check_still_the_same(one, before, model)
    assert len(model.graph.initializers) == 4
    assert [[n.op_type for n in graph] for graph in model.graph.subgraphs()] == [["Mul", "Mul"]] * 2
