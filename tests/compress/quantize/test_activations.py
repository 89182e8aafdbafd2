"""Which values become integers, on which scales, and what onnxruntime fuses of them."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import assume, given, settings

from edgekit.array import Array
from edgekit.compress.layers import linear_layers, name_nodes
from edgekit.compress.progress import Silent
from edgekit.compress.quantize import quantize
from edgekit.compress.quantize.activations import (
    Scales,
    choose_scales,
    insert_scales,
    observe_ranges,
)
from edgekit.compress.quantize.planning import PIXELS, Plan, plan_activations
from edgekit.compress.quantize.ranges import Scale
from edgekit.errors import UnsupportedModel
from edgekit.graph.build import GraphBuilder
from edgekit.graph.load import canonical
from tests.compress.quantize.nets import Body, Weights, answers, fused, inputs_of, kinds, net
from tests.graph.generated import nets

FLOAT_LAYERS = {"Conv", "FusedConv", "Gemm", "MatMul", "FusedMatMul"}


def planned(model: ir.Model) -> tuple[Plan, Scales]:
    name_nodes(model)
    plan = plan_activations(model)
    ranges = observe_ranges(model, plan, inputs_of(model), progress=Silent())
    return plan, choose_scales(plan, ranges, "min-max")


def quantized(model: ir.Model, **settings: object) -> ir.Model:
    """Quantised on all that the tests run it on."""
    how = {"calibrator": "min-max", "asymmetric": False, "equalization": 0.0, **settings}
    return quantize(model, inputs_of(model), **how)  # type: ignore[arg-type]


def made_by(model: ir.Model, kind: str) -> list[str]:
    return [str(node.outputs[0].name) for node in model.graph if node.op_type == kind]


def require_near(model: ir.Model, made: ir.Model, share: float = 0.05) -> None:
    tensors = inputs_of(model)
    expected = answers(model, tensors)
    off = np.abs(answers(made, tensors) - expected).max()
    assert 0 < off < share * np.abs(expected).max()


def conv(build: GraphBuilder, x: ir.Value, count: int, depth: int, seed: int = 0) -> ir.Value:
    weights = Weights(seed)
    kernel, bias = weights(count, depth, 3, 3), weights(count)
    return build.op("Conv", x, kernel, bias, pads=[1] * 4)


def relu_conv(build: GraphBuilder, x: ir.Value, count: int, depth: int, seed: int = 0) -> ir.Value:
    return build.op("Relu", conv(build, x, count, depth, seed))


def classifier(build: GraphBuilder, x: ir.Value) -> ir.Value:
    inner = relu_conv(build, relu_conv(build, x, 6, 4), 5, 6)
    flat = build.op("Flatten", build.op("GlobalAveragePool", inner), axis=1)
    weights = Weights(3)
    return build.op("Softmax", build.op("Gemm", flat, weights(5, 7), weights(7)), axis=1)


def fire(build: GraphBuilder, x: ir.Value) -> ir.Value:
    squeezed = relu_conv(build, x, 4, 4)
    both = build.op("Concat", *(relu_conv(build, squeezed, 3, 4, s) for s in (1, 2)), axis=1)
    pooled = build.op("MaxPool", both, kernel_shape=[2, 2], strides=[2, 2])
    return conv(build, build.op("AveragePool", pooled, kernel_shape=[2, 2]), 5, 6)


def mixed_branches(build: GraphBuilder, x: ir.Value) -> ir.Value:
    x = relu_conv(build, x, 4, 4)
    clipped = build.op("Clip", conv(build, x, 3, 4, 1), np.float32(0), np.float32(0.5))
    parts = [clipped, conv(build, x, 3, 4, 2), relu_conv(build, x, 2, 4, 3)]
    return conv(build, build.op("Concat", *parts, axis=1), 5, 8)


def residual(build: GraphBuilder, x: ir.Value) -> ir.Value:
    x = relu_conv(build, x, 4, 4)
    x = build.op("Relu", build.op("Add", conv(build, x, 4, 4, 1), x))
    return conv(build, build.op("Add", x, conv(build, x, 4, 4, 2)), 5, 4, 3)


def clipped_net(build: GraphBuilder, x: ir.Value) -> ir.Value:
    for seed in range(3):
        x = build.op("Clip", conv(build, x, 4, 4, seed), np.float32(0), np.float32(0.8))
    return build.op("Clip", conv(build, x, 4, 4, 3), np.float32(-0.7), np.float32(0.9))


def depthwise(build: GraphBuilder, x: ir.Value) -> ir.Value:
    x = relu_conv(build, x, 8, 4)
    weights = Weights(2)
    x = build.op("Conv", x, weights(8, 1, 3, 3), weights(8), group=8, pads=[1] * 4)
    return relu_conv(build, build.op("Relu", x), 4, 8, 4)


def dense(build: GraphBuilder, x: ir.Value) -> ir.Value:
    x = build.op("Flatten", x, axis=1)
    for number, (inputs, outputs) in enumerate([(256, 32), (32, 8), (8, 32)]):
        weights = Weights(number)
        x = build.op("Relu", build.op("Gemm", x, weights(inputs, outputs), weights(outputs)))
    return build.op("MatMul", x, Weights(9)(32, 6))


def squashing(build: GraphBuilder, x: ir.Value) -> ir.Value:
    gate = build.op("Sigmoid", conv(build, x, 4, 4, 1))
    wave = build.op("Tanh", conv(build, x, 4, 4, 2))
    share = build.op("Softmax", conv(build, x, 4, 4, 3), axis=1)
    gated = build.op("Mul", build.op("Mul", gate, wave), share)
    return conv(build, build.op("LeakyRelu", gated, alpha=0.1), 4, 4, 5)


WHOLE: dict[str, tuple[Body, dict[str, int]]] = {
    "classifier": (classifier, {"QLinearConv": 2, "QGemm": 1, "QLinearGlobalAveragePool": 1}),
    "fire": (fire, {"QLinearConv": 4, "QLinearAveragePool": 1}),
    "branches": (mixed_branches, {"QLinearConv": 5, "QLinearConcat": 1}),
    "residual": (residual, {"QLinearConv": 4, "QLinearAdd": 2}),
    "clipped": (clipped_net, {"QLinearConv": 4}),
    "depthwise": (depthwise, {"QLinearConv": 3}),
    "dense": (dense, {"QGemm": 3, "MatMulIntegerToFloat": 1}),
    "squashing": (squashing, {"QLinearConv": 4, "QLinearSigmoid": 1, "QLinearMul": 2}),
}


@pytest.mark.parametrize("name", WHOLE)
def test_onnxruntime_computes_every_layer_in_integers(name: str) -> None:
    body, expected = WHOLE[name]
    model = net(body)
    made = quantized(model)
    found = fused(made)
    assert {kind: found[kind] for kind in expected} == expected
    assert not set(found) & FLOAT_LAYERS
    require_near(model, made)


def test_a_net_of_pixels_reads_them_as_they_are_and_moves_no_axis() -> None:
    def body(build: GraphBuilder, x: ir.Value) -> ir.Value:
        floats = build.op("Cast", build.op("Transpose", x, perm=[0, 3, 1, 2]), to=1)
        inner = relu_conv(build, build.op("Mul", floats, np.float32(0.01)), 8, 3)
        return build.op("GlobalAveragePool", relu_conv(build, inner, 5, 8))

    model = net(body, (1, 8, 8, 3), np.uint8)
    made = quantized(model)
    assert kinds(made)["Cast"] == 0
    first = next(node for node in made.graph if node.op_type == "DequantizeLinear")
    scale, zero_point = (value.const_value.numpy() for value in first.inputs[1:])  # type: ignore[union-attr]
    assert (scale, zero_point, zero_point.dtype) == (PIXELS.scale, PIXELS.zero_point, np.uint8)
    found = fused(made)
    assert found["QLinearConv"] == 2
    assert set(found) <= {"QLinearConv", "Transpose", "DequantizeLinear", "GlobalAveragePool"}
    assert found["Transpose"] <= 1
    require_near(model, made)


def test_pixels_whose_mean_is_taken_off_are_quantised_after_it() -> None:
    def body(build: GraphBuilder, x: ir.Value) -> ir.Value:
        floats = build.op("Cast", build.op("Transpose", x, perm=[0, 3, 1, 2]), to=1)
        mean = np.array([104, 117, 123], np.float32).reshape(3, 1, 1)
        return relu_conv(build, relu_conv(build, build.op("Sub", floats, mean), 8, 3), 5, 8)

    model = net(body, (1, 8, 8, 3), np.uint8)
    made = quantized(model)
    found = fused(made)
    assert (found["QLinearConv"], found["Sub"]) == (2, 1)
    require_near(model, made)


@pytest.mark.parametrize("body", [fire, mixed_branches])
def test_what_is_joined_and_what_pools_move_share_a_scale(body: Body) -> None:
    model = net(body)
    plan, scales = planned(model)
    (joined,) = made_by(model, "Concat")
    concat = next(node for node in model.graph if node.op_type == "Concat")
    members = [str(value.name) for value in [*concat.inputs, *concat.outputs] if value]
    members += made_by(model, "MaxPool") + made_by(model, "AveragePool")
    assert {scales[name][-1] for name in members} == {scales[joined][-1]}
    assert next(set(group) for group in plan.groups if joined in group) == set(members)


def test_a_clamped_branch_has_its_own_scale_before_the_shared_one_if_it_is_narrower() -> None:
    model = net(mixed_branches)
    _, scales = planned(model)
    (clip,), relu = made_by(model, "Clip"), made_by(model, "Relu")[-1]
    own, shared = scales[clip]
    assert own.scale * 255 == pytest.approx(0.5)
    assert (own.zero_point, scales[relu][0].zero_point) == (0, 0)
    assert shared.zero_point > 0
    assert len(scales[made_by(model, "Conv")[2]]) == 1


def test_squashing_functions_have_the_scales_that_tflite_demands() -> None:
    model = net(squashing)
    _, scales = planned(model)
    expected = {"Sigmoid": (1 / 256, 0), "Softmax": (1 / 256, 0), "Tanh": (1 / 128, 128)}
    for kind, scale in expected.items():
        (name,) = made_by(model, kind)
        assert scales[name] == (Scale(*scale),)


def test_a_gate_joined_with_larger_values_gives_way_to_a_scale_that_holds_them() -> None:
    def body(build: GraphBuilder, x: ir.Value) -> ir.Value:
        gate = build.op("Sigmoid", conv(build, x, 4, 4, 1))
        wave = build.op("Tanh", conv(build, x, 4, 4, 2))
        values = build.op("Concat", gate, conv(build, x, 4, 4, 3), wave, axis=1)
        return conv(build, values, 4, 12, 5)

    model = net(body)
    _, scales = planned(model)
    (joined,) = made_by(model, "Concat")
    assert scales[joined][-1].scale > 1 / 128
    require_near(model, quantized(model))


def test_two_gates_joined_keep_the_scale_of_both() -> None:
    def body(build: GraphBuilder, x: ir.Value) -> ir.Value:
        gates = [build.op("Sigmoid", conv(build, x, 4, 4, seed)) for seed in (1, 2)]
        return conv(build, build.op("Concat", *gates, axis=1), 4, 8, 5)

    model = net(body)
    _, scales = planned(model)
    assert scales[made_by(model, "Concat")[0]] == (Scale(1 / 256, 0),)


def test_pixels_joined_with_other_values_share_a_scale_that_holds_both() -> None:
    def body(build: GraphBuilder, x: ir.Value) -> ir.Value:
        floats = build.op("Cast", x, to=1)
        both = build.op("Concat", floats, conv(build, floats, 4, 3), axis=1)
        return conv(build, both, 4, 7, 5)

    model = net(body, (1, 3, 8, 8), np.uint8)
    require_near(model, quantized(model))


@pytest.mark.parametrize("name", ["classifier", "dense"])
def test_the_last_logits_stay_in_float(name: str) -> None:
    model = net(WHOLE[name][0])
    _, scales = planned(model)
    last = next(node for node in reversed(list(model.graph)) if node.op_type in ("Gemm", "MatMul"))
    assert last.outputs[0].name not in scales
    assert (
        len({round(float(value), 6) for value in answers(quantized(model), inputs_of(model)).flat})
        > 40
    )


def test_a_layer_of_weights_that_are_computed_stays_in_float() -> None:
    def body(build: GraphBuilder, x: ir.Value) -> ir.Value:
        x = relu_conv(build, x, 4, 4)
        kernel = build.op("Conv", x, Weights(1)(4, 4, 3, 3))
        dynamic = build.op("Conv", x, kernel)
        flat = build.op("Flatten", build.op("GlobalAveragePool", dynamic), axis=1)
        return build.op("Gemm", flat, Weights(2)(1, 5))

    model = net(body)
    made = quantized(model)
    assert fused(made)["QLinearConv"] == 2
    require_near(model, made, 0.2)


def test_a_value_with_several_readers_is_quantised_once_for_all() -> None:
    def body(build: GraphBuilder, x: ir.Value) -> ir.Value:
        x = relu_conv(build, x, 4, 4)
        heads = [conv(build, x, 4, 4, 1), build.op("Exp", x), conv(build, x, 4, 4, 2)]
        return build.op("Add", build.op("Add", *heads[:2]), heads[2])

    model = net(body)
    (shared,) = made_by(model, "Relu")
    made = quantized(model)
    readers = [node for node in made.graph if any(v and v.name == shared for v in node.inputs)]
    assert [node.op_type for node in readers] == ["QuantizeLinear"]
    (restored,) = (
        node for node in made.graph if node.outputs[0].name == f"{shared}_quantized_dequantized"
    )
    assert len(list(restored.outputs[0].uses())) == 3
    require_near(model, made)


def test_outputs_keep_their_names_types_and_order() -> None:
    model = net(fire)
    inner = [
        str(node.outputs[0].name) for node in model.graph if node.op_type in ("Concat", "Relu")
    ]
    for node in model.graph:
        if node.outputs[0].name in inner:
            model.graph.outputs.append(node.outputs[0])
    made = quantized(model)
    before = [(value.name, value.dtype) for value in model.graph.outputs]
    assert [(value.name, value.dtype) for value in made.graph.outputs] == before
    assert [value.name for value in made.graph.inputs] == ["x"]
    require_near(model, made)


def test_layers_to_keep_are_islands_of_float_in_onnxruntime_too() -> None:
    """By itself it gives the float weights of a layer between integers 8 bits."""
    model = net(residual)
    names = [str(node.name) for node in model.graph if node.op_type == "Conv"]
    made = quantized(model, keep={names[1]: "fp32", names[3]: "fp16"})
    found = fused(made)
    assert found["QLinearConv"] == 2
    assert found["Conv"] + found["FusedConv"] == 2
    assert len({node.name for node in made.graph} & set(names)) == 4
    tensors = inputs_of(model)
    np.testing.assert_allclose(
        answers(made, tensors), answers(made, tensors, fuses=False), rtol=1e-4, atol=1e-4
    )
    require_near(model, made)


def test_a_net_kept_whole_has_nothing_to_quantise() -> None:
    model = net(fire)
    names = [str(node.name) for node in model.graph if node.op_type == "Conv"]
    with pytest.raises(UnsupportedModel, match="no layer"):
        quantized(model, keep=dict.fromkeys(names, "fp32"))


def test_a_transposed_convolution_is_an_island_of_float() -> None:
    def body(build: GraphBuilder, x: ir.Value) -> ir.Value:
        x = relu_conv(build, x, 4, 4)
        x = build.op("ConvTranspose", x, Weights(1)(4, 6, 2, 2), strides=[2, 2])
        return relu_conv(build, x, 5, 6, 2)

    model = net(body)
    made = quantized(model)
    assert fused(made)["ConvTranspose"] == 1
    tensors = inputs_of(model)
    gaps = answers(made, tensors) - answers(made, tensors, fuses=False)
    assert (np.abs(gaps) > 1e-5).mean() < 0.02
    require_near(model, made)


def test_nearest_upsampling_keeps_the_scale() -> None:
    def body(build: GraphBuilder, x: ir.Value) -> ir.Value:
        x = relu_conv(build, x, 4, 4)
        x = build.op("Resize", x, None, np.array([1, 1, 2, 2], np.float32), mode="nearest")
        return relu_conv(build, x, 5, 4, 2)

    model = net(body)
    _, scales = planned(model)
    assert scales[made_by(model, "Resize")[0]] == scales[made_by(model, "Relu")[0]]
    require_near(model, quantized(model))


def test_the_scales_of_inserted_pairs_are_those_chosen() -> None:
    model = net(mixed_branches)
    plan, scales = planned(model)
    insert_scales(model, plan, scales)

    def written(node: ir.Node) -> tuple[Array, ...]:
        return tuple(value.const_value.numpy().item() for value in node.inputs[1:])  # type: ignore[union-attr]

    pairs = [node for node in model.graph if node.op_type == "QuantizeLinear"]
    chosen = sorted((np.float32(s.scale).item(), s.zero_point) for c in scales.values() for s in c)
    assert sorted(written(node) for node in pairs) == chosen
    for node in pairs:
        (reader,) = (reader for reader, _ in node.outputs[0].uses())
        assert (reader.op_type, written(reader)) == ("DequantizeLinear", written(node))


@settings(max_examples=12, deadline=None)
@given(nets())
def test_any_net_is_valid_and_answers_nearly_as_before(model: ir.Model) -> None:
    """256 levels a tensor over at most seven blocks: off by a share of the largest answer.

    In the mean, not at most: engines break the ties of an average differently, and one step of
    the value before the last layer can be 6 % of its answer.
    """
    model = canonical(ir.to_proto(model), where="net")
    assume(linear_layers(model))
    before = ir.to_proto(model).SerializeToString()
    made = quantized(model, full_range=True)
    assert ir.to_proto(model).SerializeToString() == before
    tensors = inputs_of(model)
    expected, found = answers(model, tensors), answers(made, tensors)
    largest = np.abs(expected).max() + 1e-6
    assert np.sqrt(np.square(found - expected).mean()) <= 0.02 * largest
    integers = answers(made, tensors, fuses=False)
    assert np.sqrt(np.square(found - integers).mean()) <= 0.02 * largest
