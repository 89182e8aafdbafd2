"""A dense layer that has something to fuse becomes a Gemm."""

import numpy as np
import pytest

from edgekit.graph.passes.matmul_to_gemm import MatMulToGemm
from tests.graph.passes.checking import Net, declined, numbers, rewritten


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("shape", [(5,), (1, 5), (2, 5), (1, 1, 5)])
def test_matmul_and_add_become_gemm_and_add(first: bool, shape: tuple[int, ...]) -> None:
    net = Net(2, 3)
    dense, bias = net.op("MatMul", net.x, numbers(3, 5)), numbers(*shape)
    model = net.of(net.op("Add", bias, dense) if first else net.op("Add", dense, bias))
    assert rewritten(MatMulToGemm(), model) == ["Gemm", "Add"]


def test_matmul_and_normalisation_become_gemm_and_normalisation() -> None:
    net = Net(2, 3)
    dense = net.op("MatMul", net.x, numbers(3, 5))
    norm = net.op("BatchNormalization", dense, *np.abs(numbers(4, 5)))
    assert rewritten(MatMulToGemm(), net.of(norm)) == ["Gemm", "BatchNormalization"]


def test_a_matmul_that_nothing_can_be_fused_with_is_left_alone() -> None:
    net = Net(2, 3)
    assert declined(MatMulToGemm(), net.of(net.op("Relu", net.op("MatMul", net.x, numbers(3, 5)))))


def test_more_or_unknown_axes_are_left_alone() -> None:
    for shape in ((2, 2, 3), ()):
        net = Net(*shape)
        if not shape:
            net.x.shape = None
        dense = net.op("MatMul", net.x, numbers(3, 5))
        assert declined(MatMulToGemm(), net.of(net.op("Add", dense, numbers(5))))


def test_weights_that_are_computed_are_left_alone() -> None:
    net = Net(3, 3)
    dense = net.op("MatMul", net.x, net.op("Relu", net.x))
    assert declined(MatMulToGemm(), net.of(net.op("Add", dense, numbers(3))))


def test_integers_are_left_alone() -> None:
    net = Net(2, 3, dtype=np.int32)
    dense = net.op("MatMul", net.x, np.ones((3, 5), np.int32))
    model = net.of(net.op("Add", dense, np.ones(5, np.int32)), dtype=np.int32)
    assert declined(MatMulToGemm(), model)


def test_a_sum_with_another_value_is_left_alone() -> None:
    net = Net(3, 3)
    dense = net.op("MatMul", net.x, numbers(3, 3))
    assert declined(MatMulToGemm(), net.of(net.op("Add", dense, net.x)))


def test_a_matmul_that_is_read_again_is_left_alone() -> None:
    net = Net(2, 3)
    dense = net.op("MatMul", net.x, numbers(3, 3))
    assert declined(MatMulToGemm(), net.of(net.op("Add", dense, numbers(3)), dense))
