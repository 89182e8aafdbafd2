"""Constant arithmetic behind a layer goes into it where it is one number a channel."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.graph.passes.fuse_scale_and_bias import FuseScaleAndBias
from tests.graph.passes.checking import Net, declined, numbers, rewritten

PER_CHANNEL = [(), (1,), (1, 1), (4, 1, 1), (1, 4, 1, 1), (1, 1, 1, 1)]


def conv_then(kind: str, constant: Array, *, first: bool = False) -> ir.Model:
    net = Net(2, 3, 5, 5)
    conv = net.op("Conv", net.x, numbers(4, 3, 3, 3), pads=[1] * 4)
    return net.of(net.op(kind, constant, conv) if first else net.op(kind, conv, constant))


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("shape", PER_CHANNEL)
def test_one_number_a_channel_goes_into_the_conv(kind: str, shape: tuple[int, ...]) -> None:
    assert rewritten(FuseScaleAndBias(), conv_then(kind, numbers(*shape))) == ["Conv"]


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul"])
def test_the_constant_may_come_first(kind: str) -> None:
    model = conv_then(kind, numbers(4, 1, 1), first=True)
    assert rewritten(FuseScaleAndBias(), model) == ["Conv"]


def test_several_in_a_row_all_go() -> None:
    net = Net(1, 3, 5, 5)
    value = net.op("Conv", net.x, numbers(4, 3, 1, 1), numbers(4))
    for kind in ("Mul", "Add", "Div", "Sub"):
        value = net.op(kind, value, numbers(4, 1, 1))
    assert rewritten(FuseScaleAndBias(), net.of(value)) == ["Conv"]


@pytest.mark.parametrize("shape", [(5,), (1, 5), (2, 5), ()])
def test_a_gemm_takes_a_bias(shape: tuple[int, ...]) -> None:
    net = Net(2, 3)
    dense = net.op("Gemm", net.x, numbers(3, 5), numbers(*shape), alpha=2.0, beta=0.5)
    assert rewritten(FuseScaleAndBias(), net.of(net.op("Add", dense, numbers(5)))) == ["Gemm"]


def test_a_transposed_conv_takes_a_scale() -> None:
    net = Net(1, 4, 5, 5)
    conv = net.op("ConvTranspose", net.x, numbers(4, 3, 2, 2), numbers(6), group=2)
    assert rewritten(FuseScaleAndBias(), net.of(net.op("Mul", conv, numbers(6, 1, 1)))) == [
        "ConvTranspose"
    ]


def test_double_precision_stays_double() -> None:
    net = Net(1, 3, dtype=np.float64)
    dense = net.op("Gemm", net.x, numbers(3, 5).astype(np.float64) + 1e-9)
    model = net.of(net.op("Mul", dense, np.array(1 + 1e-9)), dtype=np.float64)
    assert rewritten(FuseScaleAndBias(), model) == ["Gemm"]
    stored = {value.dtype for value in model.graph.initializers.values()}
    assert stored == {ir.DataType.DOUBLE}


@pytest.mark.parametrize("shape", [(5,), (5, 1), (4, 5, 5), (2, 1, 1, 1), (1, 1, 4, 1, 1)])
def test_what_varies_along_another_axis_is_left_alone(shape: tuple[int, ...]) -> None:
    assert declined(FuseScaleAndBias(), conv_then("Add", numbers(*shape)))


def test_a_constant_divided_by_the_conv_is_left_alone() -> None:
    assert declined(FuseScaleAndBias(), conv_then("Div", numbers(4, 1, 1), first=True))


@pytest.mark.parametrize("number", [0.0, np.inf])
def test_division_by_no_proper_number_is_left_alone(number: float) -> None:
    assert declined(FuseScaleAndBias(), conv_then("Div", np.array(number, np.float32)))


def test_a_conv_that_is_read_again_is_left_alone() -> None:
    net = Net(1, 3, 5, 5)
    conv = net.op("Conv", net.x, numbers(4, 3, 1, 1))
    scaled = net.op("Mul", conv, numbers(4, 1, 1))
    assert declined(FuseScaleAndBias(), net.of(net.op("Add", scaled, conv)))


def test_a_conv_whose_output_is_public_is_left_alone() -> None:
    net = Net(1, 3, 5, 5)
    conv = net.op("Conv", net.x, numbers(4, 3, 1, 1))
    assert declined(FuseScaleAndBias(), net.of(net.op("Mul", conv, numbers(4, 1, 1)), conv))


def test_the_sum_of_two_convs_is_left_alone() -> None:
    net = Net(1, 3, 5, 5)
    convs = [net.op("Conv", net.x, numbers(4, 3, 1, 1)) for _ in range(2)]
    assert declined(FuseScaleAndBias(), net.of(net.op("Add", *convs)))


def test_weights_that_another_conv_shares_stay_as_they_are_for_it() -> None:
    net = Net(1, 3, 5, 5)
    weights = net.build.constant(numbers(4, 3, 1, 1), "shared")
    scaled = net.op("Mul", net.op("Conv", net.x, weights), np.float32(2))
    model = net.of(net.op("Add", scaled, net.op("Conv", net.x, weights)))
    assert rewritten(FuseScaleAndBias(), model) == ["Conv", "Conv", "Add"]
