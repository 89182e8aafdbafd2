"""An operator whose output is provably its input goes."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.graph.passes.remove_no_ops import RemoveNoOps
from tests.graph.passes.checking import Net, declined, numbers, rewritten

Step = Callable[[Net, ir.Value], ir.Value]

NO_OPS: dict[str, Step] = {
    "cast to its own type": lambda n, v: n.op("Cast", v, to=ir.DataType.FLOAT),
    "reshape to its own shape": lambda n, v: n.op("Reshape", v, np.array([0, 3, -1, 5])),
    "expand to its own shape": lambda n, v: n.op("Expand", v, np.array([1, 3, 1, 1])),
    "tile once": lambda n, v: n.op("Tile", v, np.array([1, 1, 1, 1])),
    "slice of all": lambda n, v: n.op("Slice", v, np.array([0]), np.array([9]), np.array([1])),
    "pad by nothing": lambda n, v: n.op("Pad", v, np.zeros(8, np.int64)),
    "transpose that keeps the order": lambda n, v: n.op("Transpose", v, perm=[0, 1, 2, 3]),
    "concat of one": lambda n, v: n.op("Concat", v, axis=1),
    "sum of one": lambda n, v: n.op("Sum", v),
    "plus 0": lambda n, v: n.op("Add", v, np.float32(0)),
    "0 plus": lambda n, v: n.op("Add", np.zeros((1, 3, 1, 1), np.float32), v),
    "minus 0": lambda n, v: n.op("Sub", v, np.zeros((5, 5), np.float32)),
    "times 1": lambda n, v: n.op("Mul", np.ones(5, np.float32), v),
    "over 1": lambda n, v: n.op("Div", v, np.float32(1)),
    "to the power of 1": lambda n, v: n.op("Pow", v, np.float32(1)),
}
OPS: dict[str, Step] = {
    "cast to another type": lambda n, v: n.op(
        "Cast", n.op("Cast", v, to=ir.DataType.FLOAT16), to=ir.DataType.FLOAT
    ),
    "reshape to another shape": lambda n, v: n.op("Reshape", v, np.array([2, 3, 25, 1])),
    "slice backwards": lambda n, v: n.op(
        "Slice", v, np.array([4]), np.array([-9]), np.array([3]), np.array([-1])
    ),
    "slice of some": lambda n, v: n.op("Slice", v, np.array([1]), np.array([9]), np.array([3])),
    "pad": lambda n, v: n.op("Pad", v, np.array([0, 0, 0, 0, 0, 0, 0, 1])),
    "transpose": lambda n, v: n.op("Transpose", v, perm=[0, 1, 3, 2]),
    "transpose without an order": lambda n, v: n.op("Transpose", v),
    "concat of two": lambda n, v: n.op("Concat", v, v, axis=1),
    "0 minus": lambda n, v: n.op("Sub", np.float32(0), v),
    "1 over": lambda n, v: n.op("Div", np.float32(1), v),
    "plus 0 that adds an axis": lambda n, v: n.op("Add", v, np.zeros((1, 1, 1, 1, 1), np.float32)),
    "plus 0 that spreads": lambda n, v: n.op("Add", v, np.zeros((4, 1, 1, 1, 1), np.float32)),
    "plus 1": lambda n, v: n.op("Add", v, np.float32(1)),
}


@pytest.mark.parametrize("what", NO_OPS)
def test_it_goes(what: str) -> None:
    net = Net(2, 3, 5, 5)
    value = NO_OPS[what](net, net.op("Relu", net.x))
    assert rewritten(RemoveNoOps(), net.of(net.op("Neg", value))) == ["Relu", "Neg"]


@pytest.mark.parametrize("what", NO_OPS)
def test_between_an_input_and_an_output_an_identity_stays(what: str) -> None:
    net = Net(2, 3, 5, 5)
    assert rewritten(RemoveNoOps(), net.of(NO_OPS[what](net, net.x))) == ["Identity"]


@pytest.mark.parametrize("what", OPS)
def test_what_changes_something_is_left_alone(what: str) -> None:
    net = Net(2, 3, 5, 5)
    assert declined(RemoveNoOps(), net.of(OPS[what](net, net.x)))


@pytest.mark.parametrize("kind", ["Reshape", "Add"])
def test_unknown_shapes_are_left_alone(kind: str) -> None:
    net = Net("N", 3)
    other = np.array([2, 3]) if kind == "Reshape" else np.zeros((2, 3), np.float32)
    assert declined(RemoveNoOps(), net.of(net.op(kind, net.x, other)))


def test_a_neutral_constant_of_one_axis_must_not_widen_another() -> None:
    net = Net(2, 1)
    assert declined(RemoveNoOps(), net.of(net.op("Mul", net.x, np.ones(3, np.float32))))


def test_a_reshape_by_a_computed_shape_goes_where_the_result_is_known() -> None:
    net = Net(2, 3)
    flat = net.op("Reshape", net.op("Neg", net.x), net.op("Shape", net.x))
    assert rewritten(RemoveNoOps(), net.of(flat)) == ["Neg"]
    assert numbers(1).size == 1
