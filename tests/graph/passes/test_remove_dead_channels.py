"""Channels that carry nothing go, and what they gave as constants goes into a bias."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.graph.match import constant
from edgekit.graph.passes.remove_dead_channels import RemoveDeadChannels
from tests.graph.passes.checking import Net, declined, numbers, rewritten

DEAD = [1, 4]


def zeroed(*shape: int, axis: int = 0, places: Any = DEAD) -> Array:
    """Random weights that are zero in some places of an axis."""
    weights = numbers(*shape)
    np.moveaxis(weights, axis, 0)[places] = 0
    return weights


def shapes(model: ir.Model) -> list[tuple[int, ...]]:
    """The shape of each layer's weights, in order."""
    arrays = [constant(n.inputs[1]) for n in model.graph if n.op_type in ("Conv", "Gemm")]
    return [array.shape for array in arrays if array is not None]


def two_convs(weights: Array, bias: Array | None, second: Array, *, padding: int = 0) -> ir.Model:
    net = Net(1, 3, 6, 6)
    hidden = net.op("Relu", net.op("Conv", net.x, weights, bias, pads=[1] * 4))
    return net.of(net.op("Conv", hidden, second, pads=[padding] * 4))


def test_channels_without_weights_or_bias_go_even_where_the_reader_pads() -> None:
    model = two_convs(zeroed(6, 3, 3, 3), None, numbers(4, 6, 3, 3), padding=1)
    rewritten(RemoveDeadChannels(), model)
    assert shapes(model) == [(4, 3, 3, 3), (4, 4, 3, 3)]


def test_channels_that_are_their_bias_go_into_the_readers_bias() -> None:
    model = two_convs(zeroed(6, 3, 3, 3), np.abs(numbers(6)), numbers(4, 6, 3, 3))
    rewritten(RemoveDeadChannels(), model)
    assert shapes(model) == [(4, 3, 3, 3), (4, 4, 3, 3)]
    assert len(list(model.graph)[-1].inputs) == 3


def test_where_the_reader_pads_only_those_go_that_an_activation_makes_zero() -> None:
    bias = numbers(6)
    bias[DEAD] = [-1, 1]
    model = two_convs(zeroed(6, 3, 3, 3), bias, numbers(4, 6, 3, 3), padding=1)
    rewritten(RemoveDeadChannels(), model)
    assert shapes(model) == [(5, 3, 3, 3), (4, 5, 3, 3)]


def test_channels_that_no_weight_reads_go() -> None:
    model = two_convs(numbers(6, 3, 3, 3), numbers(6), zeroed(4, 6, 3, 3, axis=1), padding=1)
    rewritten(RemoveDeadChannels(), model)
    assert shapes(model) == [(4, 3, 3, 3), (4, 4, 3, 3)]


def test_one_channel_stays() -> None:
    model = two_convs(np.zeros((6, 3, 3, 3), np.float32), None, numbers(4, 6, 3, 3))
    rewritten(RemoveDeadChannels(), model)
    assert shapes(model) == [(1, 3, 3, 3), (4, 1, 3, 3)]


BETWEEN: dict[str, Callable[[Net, ir.Value], ir.Value]] = {
    "sigmoid": lambda n, v: n.op("Sigmoid", v),
    "tanh": lambda n, v: n.op("Tanh", v),
    "clip": lambda n, v: n.op("Clip", v, np.float32(-0.2), np.float32(0.3)),
    "leaky relu": lambda n, v: n.op("LeakyRelu", v, alpha=0.3),
    "hard swish": lambda n, v: n.op("HardSwish", v),
    "max pool with padding": lambda n, v: n.op("MaxPool", v, kernel_shape=[3, 3], pads=[1] * 4),
    "average pool": lambda n, v: n.op("AveragePool", v, kernel_shape=[3, 3], pads=[1] * 4),
    "global pool": lambda n, v: n.op("GlobalAveragePool", v),
    "mean": lambda n, v: n.op("ReduceMean", v, axes=[2, 3]),
    "depthwise conv": lambda n, v: n.op("Conv", v, numbers(6, 1, 3, 3), numbers(6), group=6),
    "two of them": lambda n, v: n.op("Relu", n.op("MaxPool", v, kernel_shape=[2, 2])),
}


@pytest.mark.parametrize("what", BETWEEN)
def test_constants_are_followed_through(what: str) -> None:
    net = Net(2, 3, 6, 6)
    hidden = BETWEEN[what](net, net.op("Conv", net.x, zeroed(6, 3, 1, 1), numbers(6)))
    model = net.of(net.op("Conv", hidden, numbers(4, 6, 1, 1), numbers(4)))
    rewritten(RemoveDeadChannels(), model)
    assert shapes(model)[0] == (4, 3, 1, 1)
    assert shapes(model)[-1] == (4, 4, 1, 1)


def test_a_depthwise_conv_that_pads_stops_a_constant_but_not_a_zero() -> None:
    bias = numbers(6)
    bias[DEAD] = [0, 1]
    net = Net(1, 3, 6, 6)
    hidden = net.op("Conv", net.x, zeroed(6, 3, 1, 1), bias)
    hidden = net.op("Conv", hidden, numbers(6, 1, 3, 3), pads=[1] * 4, group=6)
    model = net.of(net.op("Conv", hidden, numbers(4, 6, 1, 1)))
    rewritten(RemoveDeadChannels(), model)
    assert shapes(model) == [(5, 3, 1, 1), (5, 1, 3, 3), (4, 5, 1, 1)]


def test_a_depthwise_conv_without_weights_makes_a_channel_constant() -> None:
    net = Net(1, 3, 6, 6)
    hidden = net.op("Conv", net.x, numbers(6, 3, 1, 1), numbers(6))
    hidden = net.op("Conv", hidden, zeroed(6, 1, 3, 3), numbers(6), pads=[1] * 4, group=6)
    model = net.of(net.op("Conv", hidden, numbers(4, 6, 1, 1)))
    rewritten(RemoveDeadChannels(), model)
    assert shapes(model) == [(4, 3, 1, 1), (4, 1, 3, 3), (4, 4, 1, 1)]


def test_an_average_that_counts_padding_stops_a_constant() -> None:
    net = Net(1, 3, 6, 6)
    hidden = net.op("Conv", net.x, zeroed(6, 3, 1, 1), np.ones(6, np.float32))
    hidden = net.op("AveragePool", hidden, kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)
    assert declined(RemoveDeadChannels(), net.of(net.op("Conv", hidden, numbers(4, 6, 1, 1))))


@pytest.mark.parametrize("flat", ["Flatten", "Reshape"])
@pytest.mark.parametrize("transposed", [0, 1])
def test_a_flattened_channel_takes_all_its_columns_along(flat: str, transposed: int) -> None:
    net = Net(2, 3, 2, 3)
    hidden = net.op("Conv", net.x, zeroed(6, 3, 1, 1), numbers(6))
    hidden = (
        net.op("Flatten", hidden)
        if flat == "Flatten"
        else net.op("Reshape", hidden, np.array([2, 36]))
    )
    weights = numbers(5, 36) if transposed else numbers(36, 5)
    dense = net.op("Gemm", hidden, weights, numbers(5), transB=transposed, alpha=0.5, beta=2.0)
    model = net.of(dense)
    rewritten(RemoveDeadChannels(), model)
    assert shapes(model) == [(4, 3, 1, 1), (5, 24) if transposed else (24, 5)]


def test_dense_layers_lose_neurons() -> None:
    net = Net(2, 3)
    hidden = net.op("Relu", net.op("Gemm", net.x, zeroed(3, 6, axis=1), numbers(6), alpha=2.0))
    model = net.of(net.op("Gemm", hidden, numbers(6, 5), numbers(2, 5)))
    rewritten(RemoveDeadChannels(), model)
    assert shapes(model) == [(3, 4), (4, 5)]


def test_concatenated_channels_are_found_where_they_went() -> None:
    net = Net(1, 3, 4, 4)
    left = net.op("Conv", net.x, numbers(2, 3, 1, 1))
    right = net.op("Relu", net.op("Conv", net.x, zeroed(6, 3, 1, 1), numbers(6)))
    both = net.op("Concat", left, right, left, axis=1)
    model = net.of(
        net.op("Conv", both, numbers(4, 10, 3, 3)), net.op("Conv", right, numbers(2, 6, 1, 1))
    )
    rewritten(RemoveDeadChannels(), model)
    assert shapes(model) == [(2, 3, 1, 1), (4, 3, 1, 1), (4, 8, 3, 3), (2, 4, 1, 1)]


def test_a_value_concatenated_twice_loses_its_channels_twice() -> None:
    net = Net(1, 3, 4, 4)
    hidden = net.op("Conv", net.x, zeroed(6, 3, 1, 1), numbers(6))
    both = net.op("Sigmoid", net.op("Concat", hidden, hidden, axis=1))
    model = net.of(net.op("Conv", both, numbers(4, 12, 1, 1)))
    rewritten(RemoveDeadChannels(), model)
    assert shapes(model) == [(4, 3, 1, 1), (4, 8, 1, 1)]


def test_a_channel_that_one_reader_needs_stays_for_all() -> None:
    net = Net(1, 3, 4, 4)
    hidden = net.op("Conv", net.x, numbers(6, 3, 1, 1))
    first = net.op("Conv", hidden, zeroed(4, 6, 1, 1, axis=1))
    second = net.op("Conv", hidden, zeroed(4, 6, 1, 1, axis=1, places=[1]))
    model = net.of(first, second)
    rewritten(RemoveDeadChannels(), model)
    assert shapes(model) == [(5, 3, 1, 1), (4, 5, 1, 1), (4, 5, 1, 1)]


ENDS: dict[str, Callable[[Net, ir.Value], ir.Value]] = {
    "a sum": lambda n, v: n.op("Add", v, n.op("Conv", n.x, numbers(6, 3, 1, 1))),
    "a sum with a constant": lambda n, v: n.op("Add", v, numbers(6, 4, 4)),
    "a softmax": lambda n, v: n.op("Softmax", v, axis=1),
    "a concat along another axis": lambda n, v: n.op("Concat", v, v, axis=2),
    "a grouped conv": lambda n, v: n.op("Conv", v, numbers(6, 3, 1, 1), group=2),
    "a conv of computed weights": lambda n, v: n.op(
        "Conv", v, n.op("Relu", n.build.constant(numbers(4, 6, 1, 1), "w"))
    ),
    "a transposed conv": lambda n, v: n.op("ConvTranspose", v, numbers(6, 4, 1, 1)),
}


@pytest.mark.parametrize("end", ENDS)
def test_channels_that_reach_what_is_not_understood_stay(end: str) -> None:
    net = Net(1, 3, 4, 4)
    hidden = net.op("Conv", net.x, zeroed(6, 3, 1, 1))
    reader = net.op("Conv", hidden, numbers(4, 6, 1, 1))
    assert declined(RemoveDeadChannels(), net.of(reader, ENDS[end](net, hidden)))


def test_public_channels_stay() -> None:
    net = Net(1, 3, 4, 4)
    hidden = net.op("Conv", net.x, zeroed(6, 3, 1, 1))
    assert declined(
        RemoveDeadChannels(), net.of(net.op("Conv", hidden, numbers(4, 6, 1, 1)), hidden)
    )


def test_layers_without_dead_channels_are_left_alone() -> None:
    assert declined(RemoveDeadChannels(), two_convs(numbers(6, 3, 3, 3), None, numbers(4, 6, 3, 3)))
