"""What `quantize` promises of the whole: its settings, its size, the same file every time."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.bundle.writing import travels_bytes
from edgekit.compress.layers import linear_layers
from edgekit.compress.quantize import quantize
from edgekit.convert import to_tflite
from edgekit.errors import ConfigError
from edgekit.graph.build import GraphBuilder
from edgekit.graph.load import canonical
from edgekit.graph.match import constant
from edgekit.zoo.mlperf_tiny import (
    TinySamples,
    build_dense_autoencoder,
    build_ds_cnn,
    build_mobilenet,
    build_resnet8,
    dense_autoencoder_samples,
    ds_cnn_samples,
    mobilenet_samples,
    resnet8_samples,
)
from tests.compress.quantize.nets import Weights, answers, inputs_of, net
from tests.compress.quantize.test_activations import classifier, quantized
from tests.convert.engines import litert_gives

_FEW = 48
"""What a net of the zoo learns from: enough to have statistics, too little to be of use."""


def file_of(model: ir.Model) -> bytes:
    return ir.to_proto(model).SerializeToString()


@pytest.mark.parametrize("size", [None, "1.5 kB"])
def test_the_same_settings_give_the_same_bytes(size: str | None) -> None:
    model = net(classifier)
    before = file_of(model)
    first, second = (quantize(model, inputs_of(model), size=size) for _ in range(2))
    assert file_of(first) == file_of(second)
    assert file_of(model) == before


def test_a_size_cannot_be_reached_by_nearest_rounding() -> None:
    model = net(classifier)
    with pytest.raises(ConfigError) as raised:
        quantize(model, inputs_of(model), size="2 kB", rounding="nearest")
    assert raised.value.mistakes == ("rounding: nearest cannot reach a size; leave one out",)


@pytest.mark.parametrize("rounding", ["least-squares", "nearest"])
@pytest.mark.parametrize(("full_range", "largest"), [(False, 63), (True, 127)])
def test_weights_have_7_bits_or_8(rounding: str, full_range: bool, largest: int) -> None:
    made = quantized(net(classifier), rounding=rounding, full_range=full_range)
    arrays = [constant(value) for value in made.graph.initializers.values()]
    weights = [array for array in arrays if array is not None and array.dtype == np.int8]
    assert len([array for array in weights if array.ndim > 1]) == 3
    assert max(np.abs(array.astype(int)).max() for array in weights) == largest


def test_a_picture_of_the_mean_alone_is_padded_after_the_mean_is_taken_off() -> None:
    """Then the padding is 0 as its inside is, and the border looks like the inside."""
    mean, bias = np.array([104, 117, 123], np.uint8), Weights(1)(5)

    def body(build: GraphBuilder, x: ir.Value) -> ir.Value:
        floats = build.op("Cast", build.op("Transpose", x, perm=[0, 3, 1, 2]), to=1)
        centred = build.op("Sub", floats, mean.astype(np.float32).reshape(3, 1, 1))
        return build.op("Conv", centred, Weights(2)(5, 3, 3, 3), bias, pads=[1] * 4)

    made = quantized(net(body, (1, 8, 8, 3), np.uint8))
    picture = np.broadcast_to(mean, (1, 8, 8, 3)).copy()
    for found in (answers(made, [picture])[0], litert_gives(to_tflite(made), {"x": picture})["y"]):
        assert (found == found[..., :1, :1]).all()
        step = 2 * np.abs(answers(made, inputs_of(made))).max() / 255
        np.testing.assert_allclose(found[0, :, 0, 0], bias, atol=step)


def random_mobilenet() -> ir.Model:
    """Of random weights: what learned little has channels that hardly ever vary."""
    layers = linear_layers(canonical(ir.to_proto(build_mobilenet(training=_FEW)), where="zoo"))
    weights = Weights()
    drawn = [(weights(*layer.weights.shape), weights(layer.outputs) / 9) for layer in layers]
    return build_mobilenet([*drawn[:-1], (drawn[-1][0] / 9, drawn[-1][1])])


ZOO: dict[str, tuple[Callable[[], ir.Model], Callable[[], TinySamples]]] = {
    "resnet8": (
        lambda: build_resnet8(training=_FEW),
        lambda: resnet8_samples(training=_FEW, test=0),
    ),
    "ds_cnn": (lambda: build_ds_cnn(training=_FEW), lambda: ds_cnn_samples(training=_FEW, test=0)),
    "mobilenet": (random_mobilenet, lambda: mobilenet_samples(training=_FEW, test=0)),
    "dense_autoencoder": (
        lambda: build_dense_autoencoder(training=200),
        lambda: dense_autoencoder_samples(training=200, test=1),
    ),
}


@pytest.mark.parametrize("name", ZOO)
def test_a_net_of_the_zoo_ends_within_its_size_and_answers_much_the_same(name: str) -> None:
    build, samples = ZOO[name]
    model = canonical(ir.to_proto(build()), where=name)
    tensors: list[Array] = [sample[np.newaxis] for sample in samples().calibration(12)]
    size = travels_bytes(file_of(model)) // 4
    made = quantize(model, tensors, size=f"{size} B", calibrator="min-max", asymmetric=False)
    assert travels_bytes(file_of(made)) <= size
    expected, found = answers(model, tensors), answers(made, tensors)
    assert np.abs(found - expected).mean() < 0.1 * np.abs(expected - expected.mean()).mean()
