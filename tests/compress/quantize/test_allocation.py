"""Steps are dear where weights matter, and sizes follow from them."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.compress.layers import linear_layers
from edgekit.compress.progress import Silent
from edgekit.compress.quantize.allocation import Allocation, allocate, uniform_steps
from edgekit.compress.quantize.rounding import entropy_bytes
from edgekit.compress.sensitivity import change_between
from edgekit.graph.build import GraphBuilder
from edgekit.graph.edit import set_constant
from tests.compress.quantize.nets import Weights, answers, inputs_of, net
from tests.compress.quantize.test_activations import relu_conv

CASE = settings(max_examples=20, deadline=None)
RNG = np.random.default_rng(0)
MATRICES = {
    "first": RNG.laplace(0, 1, (1, 20, 100)),
    "second": RNG.laplace(0, 0.1, (2, 30, 50)),
    "third": RNG.laplace(0, 5, (1, 8, 40)),
}
COSTS = {"first": 1.0, "second": 400.0, "third": 0.01}
ALLOCATION = Allocation(COSTS, MATRICES, limit=127)
levels = st.floats(-4, 1).map(lambda power: 10.0**power)


@CASE
@given(levels)
def test_every_layer_pays_the_same_a_weight_unless_it_is_as_fine_as_can_be(level: float) -> None:
    for name, matrix in MATRICES.items():
        step, finest = ALLOCATION.step(name, level), np.abs(matrix).max() / 127
        assert step >= finest
        if step > finest:
            assert COSTS[name] * step**2 == pytest.approx(level)
        else:
            assert COSTS[name] * step**2 >= level * (1 - 1e-9)


@CASE
@given(levels, st.floats(1.5, 4))
def test_a_higher_level_has_fewer_bytes(level: float, factor: float) -> None:
    assert ALLOCATION.bytes_at(level * factor) <= ALLOCATION.bytes_at(level)


@CASE
@given(levels)
def test_bytes_are_the_entropy_of_the_nearest_integers(level: float) -> None:
    expected = 0.0
    for name, matrix in MATRICES.items():
        integers = np.clip(np.rint(matrix / ALLOCATION.step(name, level)), -127, 127)
        _, counts = np.unique(integers, return_counts=True)
        shares = counts / counts.sum()
        expected -= float((shares * np.log2(shares)).sum()) * matrix.size / 8
    assert ALLOCATION.bytes_at(level) == pytest.approx(expected)


@CASE
@given(st.floats(200, 4000))
def test_the_level_for_a_size_has_that_size(size: float) -> None:
    level = ALLOCATION.level_for(size)
    assert ALLOCATION.bytes_at(level) == pytest.approx(size, rel=0.02)
    assert ALLOCATION.bytes_at(ALLOCATION.moved(level, factor=0.8)) == pytest.approx(
        0.8 * size, rel=0.03
    )


def test_a_size_larger_than_all_bits_need_is_the_finest_there_is() -> None:
    level = ALLOCATION.level_for(10**9)
    assert ALLOCATION.is_finest(level)
    assert not ALLOCATION.is_finest(ALLOCATION.level_for(2000))
    assert ALLOCATION.bytes_at(level) == ALLOCATION.bytes_at(0.0)


def test_a_layer_without_weights_has_a_step() -> None:
    empty = Allocation({"dead": 1.0}, {"dead": np.zeros((1, 4, 4))}, limit=63)
    assert empty.step("dead", 0.0) > 0
    assert empty.bytes_at(0.1) == 0


def uneven(build: GraphBuilder, x: ir.Value) -> ir.Value:
    """The answer hangs on the first branch a hundred times as much as on the second."""
    matters = build.op("GlobalAveragePool", relu_conv(build, x, 8, 4, 1))
    hardly = build.op("GlobalAveragePool", relu_conv(build, x, 8, 4, 2))
    scaled = build.op("Mul", hardly, np.float32(0.01))
    flat = build.op("Flatten", build.op("Add", matters, scaled), axis=1)
    return build.op("MatMul", flat, Weights(3)(8, 5))


def allocated(model: ir.Model) -> Allocation:
    names = [layer.name for layer in linear_layers(model)]
    return allocate(model, inputs_of(model, 20), names=names, limit=63, progress=Silent())


def test_the_layer_that_matters_more_has_finer_steps() -> None:
    model = net(uneven)
    before = ir.to_proto(model).SerializeToString()
    found = allocated(model)
    assert ir.to_proto(model).SerializeToString() == before
    first, second, _ = found.costs
    steps = [found.step(name, found.level_for(300)) for name in (first, second)]
    assert found.costs[first] > 300 * found.costs[second]
    assert steps[0] < steps[1] / 10


def test_the_cost_of_a_layer_is_what_coarse_rounding_does_to_the_answer() -> None:
    """Errors that least squares could not make good: random ones cost more, by no more than ten."""
    model = net(uneven)
    found, tensors = allocated(model), inputs_of(model, 20)
    was = list(answers(model, tensors))
    rng = np.random.default_rng(0)
    for layer in linear_layers(model)[:1]:
        step = float(layer.matrix().std()) * 0.6
        noisy = model.clone()
        (same,) = (other for other in linear_layers(noisy) if other.name == layer.name)
        off: Array = rng.uniform(-step / 2, step / 2, layer.matrix().shape)
        set_constant(noisy, same.node, 1, layer.shaped(layer.matrix() + off))
        change = change_between(was, list(answers(noisy, tensors)))
        predicted = found.costs[layer.name] * layer.weights.size * step**2 / 24
        assert change / 10 < predicted < change * 1.5


def test_uniform_steps_are_one_for_each_output() -> None:
    (layer,) = linear_layers(net(lambda build, x: relu_conv(build, x, 6, 4)))
    np.testing.assert_array_equal(uniform_steps(layer, 0.25), np.full(6, 0.25))
    assert entropy_bytes(np.zeros((1, 6, 36), int)) == 0
