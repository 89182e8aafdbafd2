"""Layers are rounded one after another, each for what it then reads."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.compress.layers import Layer, linear_layers
from edgekit.compress.progress import Silent
from edgekit.compress.quantize.allocation import Allocation
from edgekit.compress.quantize.gram import Gram
from edgekit.compress.quantize.rounding import entropy_bytes, every_level
from edgekit.compress.quantize.rules import least_squares, nearest, priced
from edgekit.compress.quantize.weights import Rounded, Rule, per_channel_steps, round_weights
from edgekit.graph.build import GraphBuilder
from edgekit.graph.observe import Observer
from tests.compress.quantize.nets import Weights, answers, inputs_of, net
from tests.compress.quantize.test_activations import conv, relu_conv


def branches(build: GraphBuilder, x: ir.Value) -> ir.Value:
    x = relu_conv(build, x, 6, 4)
    both = build.op("Concat", relu_conv(build, x, 5, 6, 1), conv(build, x, 3, 6, 2), axis=1)
    flat = build.op("Flatten", build.op("GlobalAveragePool", both), axis=1)
    hidden = build.op("Relu", build.op("Gemm", flat, Weights(3)(8, 7)))
    return build.op("MatMul", hidden, Weights(4)(7, 5))


def names_of(model: ir.Model) -> list[str]:
    return [layer.name for layer in linear_layers(model)]


def rounded_with(model: ir.Model, rule: Rule, **how: bool) -> tuple[ir.Model, dict[str, Rounded]]:
    made = model.clone()
    found = round_weights(
        made, model, inputs_of(model), rule, names=names_of(model), progress=Silent(), **how
    )
    return made, found


def layer_outputs(model: ir.Model, name: str) -> Array:
    (layer,) = (layer for layer in linear_layers(model) if layer.name == name)
    observer = Observer(model, [str(layer.output.name)])
    found = [observer.run(tensor)[str(layer.output.name)] for tensor in inputs_of(model)]
    return np.concatenate([layer.responses(values) for values in found], axis=2)


COARSE = 7
RULES: dict[str, Rule] = {
    "nearest": nearest(limit=COARSE),
    "least squares": least_squares(limit=COARSE, asymmetric=False),
    "asymmetric": least_squares(limit=COARSE, asymmetric=True),
}


@pytest.mark.parametrize("name", RULES)
def test_the_mean_of_every_layer_with_a_bias_stays(name: str) -> None:
    model = net(branches)
    made, _ = rounded_with(model, RULES[name])
    for layer in linear_layers(model):
        before, after = (layer_outputs(m, layer.name).mean(axis=2) for m in (model, made))
        spread = layer_outputs(model, layer.name).std()
        if layer.node.op_type != "MatMul":
            np.testing.assert_allclose(after, before, atol=1e-3 * spread)


def test_biases_stay_as_they_are_without_correction() -> None:
    model = net(branches)
    made, _ = rounded_with(model, RULES["nearest"], correct_bias=False)
    for before, after in zip(linear_layers(model), linear_layers(made), strict=True):
        np.testing.assert_array_equal(before.bias, after.bias)


@pytest.mark.parametrize("name", RULES)
def test_the_weights_in_the_graph_are_the_integers_times_their_steps(name: str) -> None:
    model = net(branches)
    made, found = rounded_with(model, RULES[name])
    assert set(found) == set(names_of(model))
    for layer in linear_layers(made):
        rounded = found[layer.name]
        assert np.abs(rounded.integers).max() <= COARSE
        np.testing.assert_allclose(layer.matrix(), rounded.matrix, rtol=1e-6)
        expected = np.abs(linear(model, layer.name).matrix()).max(axis=2).ravel() / COARSE
        np.testing.assert_allclose(rounded.steps, expected)


def linear(model: ir.Model, name: str) -> Layer:
    (found,) = (layer for layer in linear_layers(model) if layer.name == name)
    return found


def test_least_squares_changes_the_answer_far_less_than_nearest() -> None:
    """Also at the end, where a MatMul without a bias gives what hardly changes."""
    model = net(branches)
    was = answers(model, inputs_of(model))
    off = {
        name: np.square(answers(rounded_with(model, rule)[0], inputs_of(model)) - was).mean()
        for name, rule in RULES.items()
    }
    assert off["least squares"] < off["nearest"] / 4
    assert off["asymmetric"] < off["nearest"] / 4


def test_only_the_layers_that_are_named_are_rounded() -> None:
    model = net(branches)
    made, first = model.clone(), names_of(model)[1]
    found = round_weights(
        made, model, inputs_of(model), RULES["nearest"], names=[first], progress=Silent()
    )
    assert list(found) == [first]
    for before, after in zip(linear_layers(model), linear_layers(made), strict=True):
        assert (before.weights == after.weights).all() == (before.name != first)


def test_layers_that_read_one_value_are_given_the_same_moments() -> None:
    model, seen = net(branches), dict[str, Gram]()

    def rule(layer: Layer, gram: Gram) -> Rounded:
        seen[layer.name] = gram
        return RULES["nearest"](layer, gram)

    rounded_with(model, rule)
    _, left, right, *_ = seen.values()
    np.testing.assert_array_equal(left.damped, right.damped)
    np.testing.assert_array_equal(left.original_mean, right.original_mean)
    assert not np.array_equal(left.mean, left.original_mean)


def test_pruned_weights_stay_so_under_every_rule() -> None:
    model = net(branches)
    rng = np.random.default_rng(0)
    for layer in linear_layers(model):
        value = layer.node.inputs[1]
        assert value is not None
        pruned = layer.weights * (rng.random(layer.weights.shape) < 0.5)
        value.const_value = ir.tensor(pruned, name=value.name)
    matrices = {layer.name: layer.matrix() for layer in linear_layers(model)}
    allocation = Allocation(dict.fromkeys(matrices, 1.0), matrices, limit=63)
    rules = [*RULES.values(), priced(allocation, 1e-3, price=0.7, asymmetric=True)]
    for rule in rules:
        _, found = rounded_with(model, rule)
        for name, rounded in found.items():
            assert not rounded.integers[matrices[name] == 0].any()
            assert rounded.integers.any()


def test_a_priced_layer_has_one_step_and_fewer_bits_than_without_a_price() -> None:
    model = net(branches)
    matrices = {layer.name: layer.matrix() for layer in linear_layers(model)}
    allocation = Allocation(dict.fromkeys(matrices, 1.0), matrices, limit=63)

    def size(price: float) -> float:
        rule = priced(allocation, 0.01, price=price, asymmetric=False)
        _, found = rounded_with(model, rule)
        assert all(len(set(rounded.steps)) == 1 for rounded in found.values())
        assert {float(rounded.steps[0]) for rounded in found.values()} == {0.1}
        return sum(entropy_bytes(rounded.integers) for rounded in found.values())

    assert size(2.0) < size(0.7) < size(0.0)


def test_a_channel_without_weights_has_the_largest_step() -> None:
    matrix = np.array([[[1.0, -4], [0, 0]], [[0.5, 0.25], [2, 1]]])
    np.testing.assert_array_equal(per_channel_steps(matrix, limit=4), [1, 1, 0.125, 0.5])
    assert (per_channel_steps(np.zeros((1, 3, 2)), limit=63) > 0).all()


def test_rounded_weights_are_integers_times_steps() -> None:
    integers = np.array([[[1, -2], [3, 0]], [[4, 5], [6, 7]]])
    rounded = Rounded(integers, np.array([1.0, 0.5, 2.0, 0.1]), every_level(7))
    expected = [[[1, -2], [1.5, 0]], [[8, 10], [0.6, 0.7]]]
    np.testing.assert_allclose(rounded.matrix, expected)
