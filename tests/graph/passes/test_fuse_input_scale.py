"""Constant arithmetic in front of a layer goes into it where padding does not see it."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.graph.passes.fuse_input_scale import FuseInputScale
from tests.graph.passes.checking import Net, declined, numbers, rewritten


def then_conv(kind: str, constant: Array, *, padding: int = 0, **attributes: object) -> ir.Model:
    net = Net(2, 4, 5, 5)
    value = net.op(kind, net.x, constant)
    group = int(attributes.get("group", 1))  # type: ignore[call-overload]
    weights = numbers(6, 4 // group, 3, 3)
    return net.of(net.op("Conv", value, weights, numbers(6), pads=[padding] * 4, **attributes))


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("shape", [(), (4, 1, 1), (1, 4, 1, 1), (1,)])
@pytest.mark.parametrize("group", [1, 2])
def test_one_number_a_channel_goes_into_the_conv(
    kind: str, shape: tuple[int, ...], group: int
) -> None:
    model = then_conv(kind, numbers(*shape), group=group)
    assert rewritten(FuseInputScale(), model) == ["Conv"]


@pytest.mark.parametrize("kind", ["Mul", "Div"])
def test_a_scale_passes_padding(kind: str) -> None:
    assert rewritten(FuseInputScale(), then_conv(kind, numbers(4, 1, 1), padding=1)) == ["Conv"]


@pytest.mark.parametrize("kind", ["Add", "Sub"])
def test_a_shift_that_meets_padding_is_left_alone(kind: str) -> None:
    assert declined(FuseInputScale(), then_conv(kind, numbers(4, 1, 1), padding=1))
    net = Net(1, 4, 5, 5)
    value = net.op(kind, net.x, numbers(4, 1, 1))
    conv = net.op("Conv", value, numbers(6, 4, 3, 3), auto_pad="SAME_UPPER")
    assert declined(FuseInputScale(), net.of(conv))


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_gemm_takes_scale_and_shift(transposed: int) -> None:
    net = Net(2, 3)
    value = net.op("Add", net.op("Mul", net.x, numbers(3)), numbers(1, 3))
    weights = numbers(5, 3) if transposed else numbers(3, 5)
    dense = net.op("Gemm", value, weights, numbers(5), transB=transposed, alpha=0.5, beta=2.0)
    assert rewritten(FuseInputScale(), net.of(dense)) == ["Gemm"]


def test_a_constant_minus_the_input_goes_too() -> None:
    net = Net(1, 3, 4, 4)
    value = net.op("Sub", np.float32(1), net.x)
    assert rewritten(FuseInputScale(), net.of(net.op("Conv", value, numbers(2, 3, 1, 1)))) == [
        "Conv"
    ]


def test_one_channel_spread_over_many_is_left_alone() -> None:
    net = Net(1, 1, 5, 5)
    value = net.op("Mul", net.x, numbers(4, 1, 1))
    assert declined(FuseInputScale(), net.of(net.op("Conv", value, numbers(6, 4, 1, 1))))


def test_channels_that_are_not_known_are_left_alone() -> None:
    net = Net(1, "C", 5, 5)
    value = net.op("Mul", net.x, numbers(4, 1, 1))
    assert declined(FuseInputScale(), net.of(net.op("Conv", value, numbers(6, 4, 1, 1))))


def test_what_varies_along_another_axis_is_left_alone() -> None:
    assert declined(FuseInputScale(), then_conv("Mul", numbers(5)))


def test_what_is_read_again_is_left_alone() -> None:
    net = Net(1, 4, 5, 5)
    value = net.op("Mul", net.x, numbers(4, 1, 1))
    conv = net.op("Conv", value, numbers(4, 4, 1, 1))
    assert declined(FuseInputScale(), net.of(net.op("Add", conv, value)))


def test_a_transposed_conv_is_left_alone() -> None:
    net = Net(1, 4, 5, 5)
    value = net.op("Mul", net.x, numbers(4, 1, 1))
    assert declined(FuseInputScale(), net.of(net.op("ConvTranspose", value, numbers(4, 2, 2, 2))))


def test_a_transposed_input_is_left_alone() -> None:
    net = Net(3, 2)
    value = net.op("Mul", net.x, np.float32(3))
    assert declined(FuseInputScale(), net.of(net.op("Gemm", value, numbers(3, 5), transA=1)))


def test_a_value_that_is_both_sides_of_a_gemm_is_left_alone() -> None:
    net = Net(3, 3)
    value = net.op("Mul", net.x, np.float32(3))
    assert declined(FuseInputScale(), net.of(net.op("Gemm", value, value)))
