"""BatchNormalization goes into the weights beside it, or stays for a reason."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.graph.passes.fuse_batch_norm import FuseBatchNorm
from tests.graph.passes.checking import Net, declined, numbers, rewritten


def statistics(channels: int) -> list[Array]:
    return [numbers(channels), numbers(channels), numbers(channels), np.abs(numbers(channels))]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("group", [1, 2, 4])
@pytest.mark.parametrize("rank", [3, 4, 5])
def test_conv_and_normalisation_become_one_conv(bias: bool, group: int, rank: int) -> None:
    net = Net(2, 4, *[5] * (rank - 2))
    weights = numbers(8, 4 // group, *[3] * (rank - 2))
    pads = [1] * 2 * (rank - 2)
    conv = net.op("Conv", net.x, weights, numbers(8) if bias else None, group=group, pads=pads)
    model = net.of(net.op("BatchNormalization", conv, *statistics(8), epsilon=0.01))
    assert rewritten(FuseBatchNorm(), model) == ["Conv"]


@pytest.mark.parametrize("group", [1, 2])
def test_transposed_conv_and_normalisation_become_one(group: int) -> None:
    net = Net(1, 4, 5, 5)
    conv = net.op("ConvTranspose", net.x, numbers(4, 3, 2, 2), group=group, strides=[2, 2])
    model = net.of(net.op("BatchNormalization", conv, *statistics(3 * group)))
    assert rewritten(FuseBatchNorm(), model) == ["ConvTranspose"]


@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("bias", [None, (5,), (1, 5), (2, 1), (2, 5), ()])
def test_dense_and_normalisation_become_one_gemm(transposed: int, bias: Any) -> None:
    net = Net(2, 3)
    weights = numbers(5, 3) if transposed else numbers(3, 5)
    dense = net.op(
        "Gemm",
        net.x,
        weights,
        None if bias is None else numbers(*bias),
        transB=transposed,
        alpha=0.5,
        beta=3.0,
    )
    model = net.of(net.op("BatchNormalization", dense, *statistics(5)))
    assert rewritten(FuseBatchNorm(), model) == ["Gemm"]


@pytest.mark.parametrize("group", [1, 2])
def test_in_front_of_a_conv_without_padding_it_goes_into_that(group: int) -> None:
    net = Net(1, 4, 5, 5)
    norm = net.op("BatchNormalization", net.x, *statistics(4))
    model = net.of(net.op("Conv", norm, numbers(6, 4 // group, 3, 3), group=group))
    assert rewritten(FuseBatchNorm(), model) == ["Conv"]


def test_in_front_of_padding_it_goes_only_without_a_shift() -> None:
    def model(shift: float) -> ir.Model:
        net = Net(1, 4, 5, 5)
        gamma, _, _, variance = statistics(4)
        mean, beta = np.zeros(4, np.float32), np.full(4, shift, np.float32)
        norm = net.op("BatchNormalization", net.x, gamma, beta, mean, variance)
        return net.of(net.op("Conv", norm, numbers(6, 4, 3, 3), pads=[1] * 4))

    assert rewritten(FuseBatchNorm(), model(0)) == ["Conv"]
    assert declined(FuseBatchNorm(), model(1))


def test_a_pair_with_two_readers_is_left_alone() -> None:
    net = Net(1, 3, 5, 5)
    conv = net.op("Conv", net.x, numbers(3, 3, 1, 1))
    norm = net.op("BatchNormalization", conv, *statistics(3))
    assert declined(FuseBatchNorm(), net.of(net.op("Add", norm, conv)))


def test_a_pair_whose_middle_is_public_is_left_alone() -> None:
    net = Net(1, 3, 5, 5)
    conv = net.op("Conv", net.x, numbers(3, 3, 1, 1))
    assert declined(
        FuseBatchNorm(), net.of(net.op("BatchNormalization", conv, *statistics(3)), conv)
    )


def test_weights_that_are_computed_are_left_alone() -> None:
    net = Net(1, 3, 1, 1)
    conv = net.op("Conv", net.x, net.op("Mul", net.x, numbers(3, 3, 1, 1)))
    assert declined(FuseBatchNorm(), net.of(net.op("BatchNormalization", conv, *statistics(3))))


def test_statistics_that_are_computed_are_left_alone() -> None:
    net = Net(1, 3, 5, 5)
    mean = net.op("ReduceMean", net.x, axes=[0, 2, 3], keepdims=0)
    gamma, beta, _, variance = statistics(3)
    conv = net.op("Conv", net.x, numbers(3, 3, 1, 1))
    norm = net.op("BatchNormalization", conv, gamma, beta, mean, variance)
    assert declined(FuseBatchNorm(), net.of(norm))


def test_training_mode_is_left_alone() -> None:
    net = Net(1, 3, 5, 5)
    conv = net.op("Conv", net.x, numbers(3, 3, 1, 1))
    norm = net.build.op_many("BatchNormalization", conv, *statistics(3), outputs=3, training_mode=1)
    assert declined(FuseBatchNorm(), net.of(norm[0]))


def test_a_variance_that_is_not_positive_is_left_alone() -> None:
    net = Net(1, 3, 5, 5)
    gamma, beta, mean, _ = statistics(3)
    conv = net.op("Conv", net.x, numbers(3, 3, 1, 1))
    bad = np.array([1, -1, 1], np.float32)
    assert declined(
        FuseBatchNorm(), net.of(net.op("BatchNormalization", conv, gamma, beta, mean, bad))
    )


def test_weights_that_their_type_cannot_hold_any_more_are_left_alone() -> None:
    net = Net(1, 3, 5, 5, dtype=np.float16)
    half = [array.astype(np.float16) for array in statistics(3)]
    half[0][:] = 60000
    conv = net.op("Conv", net.x, np.full((3, 3, 1, 1), 10, np.float16))
    model = net.of(net.op("BatchNormalization", conv, *half), dtype=np.float16)
    assert declined(FuseBatchNorm(), model)
