"""Activations become the simplest operator that computes them."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.graph.passes.simplify_activations import SimplifyActivations
from tests.graph.passes.checking import Net, declined, numbers, rewritten

ZERO, SIX, INF = np.float32(0), np.float32(6), np.float32(np.inf)


@pytest.mark.parametrize("bounds", [(ZERO,), (ZERO, INF), (np.zeros((), np.float32), None)])
def test_a_clip_from_zero_upwards_is_a_relu(bounds: tuple[object, ...]) -> None:
    net = Net(2, 3)
    assert rewritten(SimplifyActivations(), net.of(net.op("Clip", net.x, *bounds))) == ["Relu"]


@pytest.mark.parametrize("bounds", [(ZERO, SIX), (-SIX, INF), (), (None, SIX)])
def test_any_other_clip_is_left_alone(bounds: tuple[object, ...]) -> None:
    net = Net(2, 3)
    assert declined(SimplifyActivations(), net.of(net.op("Clip", net.x, *bounds)))


def test_a_clip_by_what_is_computed_is_left_alone() -> None:
    net = Net(1)
    low = net.op("ReduceMax", net.x, keepdims=0)
    assert declined(SimplifyActivations(), net.of(net.op("Clip", net.x, low)))


def test_a_clip_of_integers_is_left_alone() -> None:
    net = Net(2, 3, dtype=np.int32)
    model = net.of(net.op("Clip", net.x, np.array(0, np.int32)), dtype=np.int32)
    assert declined(SimplifyActivations(), model)


@pytest.mark.parametrize("zero", [ZERO, np.zeros((1, 1), np.float32)])
@pytest.mark.parametrize("first", [False, True])
def test_the_larger_of_x_and_zero_is_a_relu(zero: Array, first: bool) -> None:
    net = Net(2, 3)
    value = net.op("Max", zero, net.x) if first else net.op("Max", net.x, zero)
    assert rewritten(SimplifyActivations(), net.of(value)) == ["Relu"]


@pytest.mark.parametrize("other", [np.zeros(3, np.float32), np.zeros((1, 1, 1), np.float32), SIX])
def test_any_other_max_is_left_alone(other: Array) -> None:
    net = Net(1, 1)
    assert declined(SimplifyActivations(), net.of(net.op("Max", net.x, other)))
    net = Net(1, 1)
    assert declined(SimplifyActivations(), net.of(net.op("Max", net.x, ZERO, other)))


def test_slopes_of_zero_are_a_relu_and_one_slope_is_a_leaky_relu() -> None:
    for slopes, kind in (
        (np.zeros((3, 1, 1), np.float32), "Relu"),
        (np.full((3, 1, 1), 0.25, np.float32), "LeakyRelu"),
    ):
        net = Net(1, 3, 2, 2)
        assert rewritten(SimplifyActivations(), net.of(net.op("PRelu", net.x, slopes))) == [kind]
    net = Net(2, 3)
    leaky = net.op("LeakyRelu", net.x, alpha=0.0)
    assert rewritten(SimplifyActivations(), net.of(leaky)) == ["Relu"]


def test_slopes_that_differ_are_left_alone() -> None:
    net = Net(1, 3, 2, 2)
    assert declined(SimplifyActivations(), net.of(net.op("PRelu", net.x, numbers(3, 1, 1))))
    net = Net(2, 3)
    assert declined(SimplifyActivations(), net.of(net.op("LeakyRelu", net.x)))


@pytest.mark.parametrize("kind", ["Relu", "Clip", "Sigmoid", "Softmax"])
def test_a_relu_of_what_is_never_negative_goes(kind: str) -> None:
    net = Net(2, 3)
    value = net.op(kind, net.x, ZERO, SIX) if kind == "Clip" else net.op(kind, net.x)
    assert rewritten(SimplifyActivations(), net.of(net.op("Relu", value))) == [kind]


def test_a_relu_of_what_may_be_negative_is_left_alone() -> None:
    net = Net(2, 3)
    value = net.op("Relu", net.op("Clip", net.x, -SIX, SIX))
    assert declined(SimplifyActivations(), net.of(net.op("Tanh", value)))


def test_a_clip_from_zero_needs_no_relu_in_front() -> None:
    net = Net(2, 3)
    model = net.of(net.op("Clip", net.op("Relu", net.x), ZERO, SIX))
    assert rewritten(SimplifyActivations(), model) == ["Clip"]
    net = Net(2, 3)
    relu = net.op("Relu", net.x)
    model = net.of(net.op("Clip", relu, ZERO, SIX), relu)
    assert sorted(rewritten(SimplifyActivations(), model)) == ["Clip", "Relu"]


def test_a_clip_from_below_zero_keeps_its_relu() -> None:
    net = Net(2, 3)
    model = net.of(net.op("Clip", net.op("Relu", net.x), -SIX, SIX))
    assert declined(SimplifyActivations(), model)
    assert isinstance(model, ir.Model)
