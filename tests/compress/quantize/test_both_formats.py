"""One quantisation for both formats: LiteRT's integers are onnxruntime's, 128 lower."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.compress.quantize import quantize
from edgekit.convert import to_tflite
from edgekit.graph.build import GraphBuilder
from tests.compress.quantize.nets import Body, Weights, inputs_of, net
from tests.compress.quantize.test_activations import (
    classifier,
    clipped_net,
    dense,
    depthwise,
    fire,
    mixed_branches,
    quantized,
    relu_conv,
    residual,
)
from tests.convert.engines import (
    litert_gives,
    litert_integers,
    onnxruntime_gives,
    onnxruntime_integers,
    operators,
)


def differences(made: ir.Model, tensor: Array) -> dict[str, Array]:
    """How far each quantised value that both formats have is apart."""
    feeds = {str(made.graph.inputs[0].name): tensor}
    expected = onnxruntime_integers(made, feeds)
    found = litert_integers(to_tflite(made), feeds)
    shared = [name for name in expected if name in found]
    apart = {}
    for name in shared:
        integers = found[name].astype(int)
        if integers.ndim == 4:
            integers = integers.transpose(0, 3, 1, 2)
        apart[name] = np.abs(integers - expected[name])
    return apart


EXACT: dict[str, tuple[Body, int]] = {
    "classifier": (classifier, 2),
    "clipped": (clipped_net, 4),
    "depthwise": (depthwise, 3),
    "dense": (dense, 3),
    "branches": (mixed_branches, 4),
}


@pytest.mark.parametrize("name", EXACT)
def test_the_integers_are_equal(name: str) -> None:
    body, least = EXACT[name]
    model = net(body)
    means = {node.outputs[0].name for node in model.graph if node.op_type == "GlobalAveragePool"}
    made = quantized(model)
    for tensor in inputs_of(model, 3, seed=5):
        found = differences(made, tensor)
        assert len(found) >= least
        assert all(off.max() <= int(value in means) for value, off in found.items())


@pytest.mark.parametrize("body", [fire, residual])
def test_the_integers_of_means_and_sums_are_1_off_at_most(body: Body) -> None:
    model = net(body)
    found = differences(quantized(model), inputs_of(model, 1)[0])
    assert len(found) >= 4
    assert max(off.max() for off in found.values()) <= 1
    assert np.mean([off.mean() for off in found.values()]) < 0.05


@pytest.mark.parametrize(("channels", "coded"), [(32, False), (128, True)])
def test_packed_weights_are_equal_in_both_formats(channels: int, coded: bool) -> None:
    def body(build: GraphBuilder, x: ir.Value) -> ir.Value:
        x = relu_conv(build, relu_conv(build, x, 32, 4), channels, 32, 1)
        flat = build.op("Flatten", build.op("GlobalAveragePool", x), axis=1)
        return build.op("Softmax", build.op("Gemm", flat, Weights(2)(channels, 5)), axis=1)

    model = net(body)
    tensors = inputs_of(model)
    size = f"{4 + 15 * coded} kB"
    made = quantize(model, tensors, size=size, calibrator="min-max", asymmetric=True)
    assert "Gather" in [node.op_type for node in made.graph]
    found = differences(made, tensors[0])
    assert len(found) >= 2
    assert not any(off.any() for off in found.values())
    feeds = {"x": tensors[1]}
    expected = onnxruntime_gives(made, feeds)["y"]
    np.testing.assert_allclose(litert_gives(to_tflite(made), feeds)["y"], expected, atol=0.02)


def test_a_classifier_in_tflite_is_in_integers_up_to_its_logits() -> None:
    """The last product is in float, of activations and of weights that are stored as integers."""
    used = operators(to_tflite(quantized(net(classifier))))
    assert used.count("CONV_2D") == 2
    assert used.count("QUANTIZE") == 1
    assert used[-4:] == ["DEQUANTIZE", "DEQUANTIZE", "FULLY_CONNECTED", "SOFTMAX"]
