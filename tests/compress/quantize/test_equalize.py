"""Equalised nets compute the same; what cannot be equalised is left alone."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings

from edgekit.compress.layers import linear_layers
from edgekit.compress.progress import Silent
from edgekit.compress.quantize.equalize import channel_peaks, equalize
from edgekit.graph.build import GraphBuilder
from edgekit.graph.load import canonical
from tests.compress.quantize.nets import Body, Weights, answers, inputs_of, net
from tests.graph.generated import nets

CASE = settings(max_examples=40, deadline=None)


def equalised(model: ir.Model, strength: float = 1.0) -> ir.Model:
    made = model.clone()
    equalize(made, channel_peaks(model, inputs_of(model), Silent()), strength=strength)
    return made


def require_same(model: ir.Model, made: ir.Model) -> None:
    tensors = inputs_of(model, 4, seed=7)
    expected = answers(model, tensors)
    largest = np.abs(expected).max()
    np.testing.assert_allclose(answers(made, tensors), expected, rtol=1e-4, atol=2e-5 * largest)


def changed(model: ir.Model, made: ir.Model) -> list[str]:
    """The layers whose weights are not as they were."""
    pairs = zip(linear_layers(model), linear_layers(made), strict=True)
    return [one.node.op_type for one, other in pairs if (one.weights != other.weights).any()]


def conv(
    build: GraphBuilder,
    x: ir.Value,
    count: int,
    depth: int,
    taps: int = 1,
    seed: int = 0,
    **how: int,
) -> ir.Value:
    weights = Weights(seed + taps)
    kernel, bias = weights(count, depth, taps, taps, spread=1.0), weights(count)
    return build.op("Conv", x, kernel, bias, pads=[taps // 2] * 4, **how)


def plain(build: GraphBuilder, x: ir.Value) -> ir.Value:
    inner = build.op("Relu", conv(build, x, 6, 4, 3))
    return conv(build, inner, 5, 6)


def depthwise(build: GraphBuilder, x: ir.Value) -> ir.Value:
    inner = build.op("Relu", conv(build, x, 6, 4))
    inner = build.op("LeakyRelu", conv(build, inner, 6, 1, 3, group=6), alpha=0.1)
    return conv(build, inner, 4, 3, group=2)


def concatenated(build: GraphBuilder, x: ir.Value) -> ir.Value:
    x = build.op("Relu", conv(build, x, 3, 4))
    left, right = build.op("Relu", conv(build, x, 5, 3, 1)), conv(build, x, 2, 3, 3)
    pooled = build.op("MaxPool", right, kernel_shape=[3, 3], pads=[1] * 4)
    both = build.op("Concat", left, pooled, right, axis=1)
    return conv(build, build.op("AveragePool", both, kernel_shape=[2, 2]), 4, 9)


def dense_head(build: GraphBuilder, x: ir.Value) -> ir.Value:
    inner = build.op("GlobalAveragePool", build.op("Relu", conv(build, x, 6, 4)))
    weights = Weights(5)
    flat = build.op("Flatten", inner, axis=1)
    hidden = build.op("Relu", build.op("Gemm", flat, weights(6, 7), weights(7)))
    return build.op("MatMul", hidden, weights(7, 3))


def sequence(build: GraphBuilder, x: ir.Value) -> ir.Value:
    rows = build.op("Reshape", x, np.array([1, 32, 8]))
    inner = build.op("Relu", build.op("MatMul", rows, Weights(1)(8, 6)))
    return build.op("MatMul", inner, Weights(2)(6, 5))


EQUALISED: dict[str, tuple[Body, int]] = {
    "Relu": (plain, 2),
    "depthwise and grouped": (depthwise, 3),
    "Concat and pools": (concatenated, 4),
    "dense": (dense_head, 3),
    "MatMul of rank 3": (sequence, 2),
}


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize("name", EQUALISED)
def test_an_equalised_net_computes_the_same(name: str, strength: float) -> None:
    body, count = EQUALISED[name]
    model = net(body)
    made = equalised(model, strength)
    assert len(changed(model, made)) == count
    require_same(model, made)


@pytest.mark.parametrize("name", EQUALISED)
def test_channels_become_equally_large(name: str) -> None:
    model = net(EQUALISED[name][0])
    before = channel_peaks(model, inputs_of(model), Silent())
    made = equalised(model)
    after = channel_peaks(made, inputs_of(model), Silent())
    assert before.keys() == after.keys() != set()
    for layer, peaks in after.items():
        alive = before[layer] > 2e-3 * before[layer].max()
        np.testing.assert_allclose(peaks[alive], before[layer].max(), rtol=1e-3)
    assert any(peaks.max() > 1.5 * peaks.min() for peaks in before.values())


def test_half_the_strength_takes_the_root_of_each_ratio() -> None:
    model = net(plain)
    ((name, before),) = channel_peaks(model, inputs_of(model), Silent()).items()
    after = channel_peaks(equalised(model, 0.5), inputs_of(model), Silent())[name]
    np.testing.assert_allclose(after / after.max(), np.sqrt(before / before.max()), rtol=1e-3)


def test_no_strength_leaves_all_as_it_is() -> None:
    model = net(plain)
    assert changed(model, equalised(model, 0.0)) == []


def test_a_channel_that_is_always_0_does_no_harm() -> None:
    def body(build: GraphBuilder, x: ir.Value) -> ir.Value:
        weights, bias = Weights()(6, 4, 1, 1), np.array([0, -99, 0, 0, -99, 0], np.float32)
        return conv(build, build.op("Relu", build.op("Conv", x, weights, bias)), 5, 6)

    model = net(body)
    made = equalised(model)
    require_same(model, made)
    assert all(np.isfinite(layer.weights).all() for layer in linear_layers(made))


@CASE
@given(nets())
def test_any_net_computes_the_same(model: ir.Model) -> None:
    model = canonical(ir.to_proto(model), where="net")
    require_same(model, equalised(model))


def added(build: GraphBuilder, x: ir.Value) -> ir.Value:
    inner = build.op("Add", conv(build, x, 4, 4), x)
    return conv(build, inner, 5, 4)


def squashed(build: GraphBuilder, x: ir.Value) -> ir.Value:
    return conv(build, build.op("Sigmoid", conv(build, x, 6, 4)), 5, 6)


def clipped(build: GraphBuilder, x: ir.Value) -> ir.Value:
    inner = build.op("Clip", conv(build, x, 6, 4), np.float32(0), np.float32(6))
    return conv(build, inner, 5, 6)


def read_by_a_sigmoid_too(build: GraphBuilder, x: ir.Value) -> ir.Value:
    inner = build.op("Relu", conv(build, x, 6, 4))
    return build.op("Add", conv(build, inner, 6, 6), build.op("Sigmoid", inner))


def joined_twice(build: GraphBuilder, x: ir.Value) -> ir.Value:
    inner = conv(build, x, 3, 4)
    return conv(build, build.op("Concat", inner, inner, axis=1), 5, 6)


def joined_in_height(build: GraphBuilder, x: ir.Value) -> ir.Value:
    parts = [conv(build, x, 3, 4, seed=seed) for seed in (0, 1)]
    return conv(build, build.op("Concat", *parts, axis=2), 5, 3)


def flattened_with_its_pixels(build: GraphBuilder, x: ir.Value) -> ir.Value:
    flat = build.op("Flatten", build.op("Relu", conv(build, x, 6, 4)), axis=1)
    return build.op("MatMul", flat, Weights(1)(384, 3))


def columns_by_a_matmul(build: GraphBuilder, x: ir.Value) -> ir.Value:
    return build.op("MatMul", build.op("Relu", conv(build, x, 8, 4)), Weights(1)(8, 5))


def rows_by_a_conv(build: GraphBuilder, x: ir.Value) -> ir.Value:
    made = build.op("MatMul", build.op("Reshape", x, np.array([1, 8, 32])), Weights(1)(32, 8))
    return build.op("Conv", build.op("Relu", made), Weights(2)(5, 8, 1))


def pooled_over_columns(build: GraphBuilder, x: ir.Value) -> ir.Value:
    made = build.op("MatMul", build.op("Reshape", x, np.array([1, 8, 32])), Weights(1)(32, 8))
    pooled = build.op("MaxPool", made, kernel_shape=[3], pads=[1, 1])
    return build.op("MatMul", pooled, Weights(2)(8, 5))


def rows_joined(build: GraphBuilder, x: ir.Value) -> ir.Value:
    rows = build.op("Reshape", x, np.array([1, 8, 32]))
    parts = [build.op("MatMul", rows, Weights(seed)(32, 8)) for seed in (1, 2)]
    return build.op("MatMul", build.op("Concat", *parts, axis=1), Weights(3)(8, 5))


LEFT_ALONE = [
    added, squashed, clipped, read_by_a_sigmoid_too, joined_twice, joined_in_height,
    flattened_with_its_pixels, columns_by_a_matmul, rows_by_a_conv, pooled_over_columns,
    rows_joined,
]  # fmt: skip


@pytest.mark.parametrize("body", LEFT_ALONE, ids=lambda body: body.__name__)
def test_channels_that_meet_anything_else_are_left_alone(body: Body) -> None:
    model = net(body)
    assert channel_peaks(model, inputs_of(model), Silent()) == {}
    assert changed(model, equalised(model)) == []


def test_what_the_model_gives_is_left_alone() -> None:
    model = net(plain)
    inner = next(node for node in model.graph if node.op_type == "Relu").outputs[0]
    model.graph.outputs.append(inner)
    assert changed(model, equalised(model)) == []
