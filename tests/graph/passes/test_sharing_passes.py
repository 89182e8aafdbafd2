"""Equal constants are stored once, and equal nodes computed once."""

import numpy as np
import onnx_ir as ir

from edgekit.graph.passes.share_initializers import ShareInitializers
from edgekit.graph.passes.share_results import ShareResults
from tests.graph.passes.checking import Net, declined, numbers, rewritten


def test_equal_initialisers_become_one() -> None:
    net, array = Net(2, 3), numbers(2, 3)
    one, other = net.build.constant(array, "one"), net.build.constant(array.copy(), "other")
    model = net.of(net.op("Sub", net.op("Mul", net.x, one), other))
    rewritten(ShareInitializers(), model)
    assert list(model.graph.initializers) == ["one"]


def test_another_shape_type_or_sign_of_zero_is_another_constant() -> None:
    net, value = Net(2, 2), None
    arrays = [np.zeros((1, 2)), np.zeros((2, 1)), -np.zeros((2, 1)), np.zeros((2, 1), np.int64)]
    value = net.x
    for number, array in enumerate(arrays):
        kept = array.astype(np.float32) if array.dtype == np.float64 else array
        term = net.build.constant(kept, f"c{number}")
        if kept.dtype == np.int64:
            term = net.op("Cast", term, to=ir.DataType.FLOAT)
        value = net.op("Add", value, term)
    assert declined(ShareInitializers(), net.of(value))


def test_public_and_given_constants_are_left_alone() -> None:
    net, array = Net(2, 3), numbers(2, 3)
    one, other = net.build.constant(array, "one"), net.build.constant(array.copy(), "other")
    model = net.of(net.op("Sub", net.op("Mul", net.x, one), other))
    model.graph.inputs.append(other)
    assert declined(ShareInitializers(), model)


def test_equal_nodes_become_one() -> None:
    net = Net(2, 3)
    model = net.of(net.op("Sub", net.op("Exp", net.x), net.op("Neg", net.op("Exp", net.x))))
    assert rewritten(ShareResults(), model) == ["Exp", "Neg", "Sub"]


def test_equal_public_nodes_keep_both_names() -> None:
    net = Net(2, 3)
    model = net.of(net.op("Exp", net.x), net.op("Exp", net.x))
    assert rewritten(ShareResults(), model) == ["Exp", "Identity"]


def test_nodes_that_differ_in_an_attribute_are_left_alone() -> None:
    net = Net(2, 3)
    values = [net.op("LeakyRelu", net.x, alpha=alpha) for alpha in (0.1, 0.2)]
    assert declined(ShareResults(), net.of(net.op("Add", *values)))


def test_random_nodes_are_left_alone() -> None:
    net = Net(2, 3)
    values = [net.op("RandomNormalLike", net.x) for _ in range(2)]
    assert declined(ShareResults(), net.of(net.op("Sub", *values)))
    net = Net(2, 3)
    values = [net.op("Dropout", net.x) for _ in range(2)]
    assert declined(ShareResults(), net.of(net.op("Sub", *values)))
