"""Alpha and beta of a Gemm go into its weights and its bias."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.compress.layers import linear_layers
from edgekit.graph.passes.fold_gemm_factors import FoldGemmFactors
from tests.graph.passes.checking import Net, declined, numbers, rewritten

HALF: dict[str, float] = {"alpha": 0.5, "beta": 2.0}


def gemm(weights: Array, *bias: Array, **attributes: Any) -> ir.Model:
    net = Net(2, 3, dtype=weights.dtype)
    return net.of(net.op("Gemm", net.x, weights, *bias, **attributes), dtype=weights.dtype)


@pytest.mark.parametrize("factors", [HALF, {"alpha": -3.0}, {"beta": 0.1}, {"beta": 0.0}])
@pytest.mark.parametrize("bias", [(), ((5,),), ((1, 5),), ((2, 5),), ((2, 1),), ((),)])
@pytest.mark.parametrize("turned", [0, 1])
def test_both_factors_go(
    factors: dict[str, float], bias: tuple[tuple[int, ...], ...], turned: int
) -> None:
    weights = numbers(5, 3) if turned else numbers(3, 5)
    model = gemm(weights, *(numbers(*shape) for shape in bias), transB=turned, **factors)
    assert rewritten(FoldGemmFactors(), model) == ["Gemm"]
    assert set(model.graph[0].attributes) == {"transB"}


def test_what_is_left_is_a_layer_that_can_be_compressed() -> None:
    model = gemm(numbers(3, 5), numbers(5), **HALF)
    assert not linear_layers(model)
    FoldGemmFactors()(model)
    assert len(linear_layers(model)) == 1


def test_a_transposed_input_is_no_hindrance() -> None:
    net = Net(3, 2)
    model = net.of(net.op("Gemm", net.x, numbers(3, 5), numbers(5), transA=1, **HALF))
    assert rewritten(FoldGemmFactors(), model) == ["Gemm"]


def test_constants_that_others_read_stay_as_they_are_for_them() -> None:
    net = Net(2, 3)
    shared = [net.build.constant(numbers(3, 3), "weights"), net.build.constant(numbers(3), "bias")]
    inner = net.op("Gemm", net.x, *shared, **HALF)
    model = net.of(net.op("Gemm", inner, *shared))
    assert rewritten(FoldGemmFactors(), model) == ["Gemm", "Gemm"]
    assert len(model.graph.initializers) == 4


def test_double_precision_stays_double() -> None:
    model = gemm(numbers(3, 5).astype(np.float64) + 1e-9, numbers(5).astype(np.float64), **HALF)
    assert rewritten(FoldGemmFactors(), model) == ["Gemm"]
    assert {value.dtype for value in model.graph.initializers.values()} == {ir.DataType.DOUBLE}


@pytest.mark.parametrize("factors", [{}, {"alpha": 1.0, "beta": 1.0}])
def test_factors_of_1_are_left_alone(factors: dict[str, float]) -> None:
    assert declined(FoldGemmFactors(), gemm(numbers(3, 5), numbers(5), **factors))


def test_weights_that_are_computed_are_left_alone() -> None:
    net = Net(3, 3)
    product = net.op("Gemm", net.x, net.op("Relu", net.x), numbers(3), **HALF)
    assert declined(FoldGemmFactors(), net.of(product))


def test_a_bias_that_is_computed_is_left_alone() -> None:
    net = Net(3, 3)
    assert declined(FoldGemmFactors(), net.of(net.op("Gemm", net.x, numbers(3, 3), net.x, **HALF)))


def test_integers_are_left_alone() -> None:
    assert declined(FoldGemmFactors(), gemm(np.ones((3, 5), np.int32), alpha=2.0))


def test_weights_that_would_overflow_are_left_alone() -> None:
    weights = np.full((3, 5), 6e4, np.float16)
    assert declined(FoldGemmFactors(), gemm(weights, alpha=2.0))
