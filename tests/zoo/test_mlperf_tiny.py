"""The nets of MLPerf Tiny: shapes, and that what they learn is worth compressing."""

from collections.abc import Callable
from functools import cache

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import is_op
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.zoo.mlperf_tiny import (
    TinySamples,
    Weights,
    build_dense_autoencoder,
    build_ds_cnn,
    build_mobilenet,
    build_resnet8,
    dense_autoencoder_samples,
    ds_cnn_samples,
    mobilenet_samples,
    resnet8_samples,
)

_SMALL = 48


@cache
def _learned(name: str) -> tuple[ir.Model, TinySamples]:
    """A net that learned for a second or two, and its samples."""
    match name:
        case "resnet8":
            return build_resnet8(training=1500), resnet8_samples(training=1500)
        case "ds_cnn":
            return build_ds_cnn(training=1000), ds_cnn_samples(training=1000)
        case "mobilenet":
            model = build_mobilenet(side=_SMALL, training=2000)
            return model, mobilenet_samples(side=_SMALL, training=2000)
    model = build_dense_autoencoder(training=4000)
    return model, dense_autoencoder_samples(training=4000, test=200)


def _answers(model: ir.Model, samples: Array) -> Array:
    engine = OnnxRuntimeEngine(ir.to_proto(model).SerializeToString())
    output = str(model.graph.outputs[0].name)
    return np.concatenate([engine.run(sample[np.newaxis])[output] for sample in samples])


@pytest.mark.parametrize(
    ("name", "least"), [("resnet8", 0.5), ("ds_cnn", 0.45), ("mobilenet", 0.6)]
)
def test_a_classifier_learns_digits_that_it_never_saw(name: str, least: float) -> None:
    model, samples = _learned(name)
    answers = _answers(model, samples.test)
    assert np.mean(answers.argmax(axis=1) == samples.targets) > least
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_the_autoencoder_reproduces_what_is_normal_better_than_a_fault() -> None:
    model, samples = _learned("dense_autoencoder")
    errors = np.square(_answers(model, samples.test) - samples.test).mean(axis=1)
    normal, faulty = errors[samples.targets == 0], errors[samples.targets == 1]
    assert np.mean(normal[:, np.newaxis] < faulty) > 0.85  # the area under the ROC curve
    assert normal.mean() < 0.2 * samples.training.var(axis=0).mean()


@pytest.mark.parametrize("name", ["resnet8", "ds_cnn", "mobilenet", "dense_autoencoder"])
def test_the_statistics_of_every_batch_normalization_are_those_of_what_it_is_fed(name: str) -> None:
    model, samples = _learned(name)
    model = ir.from_proto(ir.to_proto(model))
    norm = [node for node in model.graph if is_op(node, "BatchNormalization")][-1]
    fed = norm.inputs[0]
    assert fed is not None
    fed.type, fed.shape = ir.TensorType(ir.DataType.FLOAT), None
    model.graph.outputs[0] = fed
    values = _answers(model, samples.training[:256])
    axes = (0, *range(2, values.ndim))
    statistics = (values.mean(axis=axes), values.var(axis=axes))
    for value, statistic in zip(norm.inputs[3:], statistics, strict=True):
        assert value is not None
        assert value.const_value is not None
        np.testing.assert_allclose(value.const_value.numpy(), statistic, rtol=1e-2, atol=1e-2)


def _shapes(first: tuple[int, ...], blocks: list[tuple[int, int]], classes: int) -> list[list[int]]:
    """Those of a net of depthwise-separable blocks (channels in, channels out)."""
    shapes = [list(first)]
    for inside, outside in blocks:
        shapes += [[inside, 1, 3, 3], [outside, inside, 1, 1]]
    return [*shapes, [blocks[-1][1], classes]]


_NETS: dict[str, tuple[Callable[[Weights], ir.Model], list[list[int]], int]] = {
    "resnet8": (
        build_resnet8,
        [
            [16, 3, 3, 3], [16, 16, 3, 3], [16, 16, 3, 3],
            [32, 16, 3, 3], [32, 32, 3, 3], [32, 16, 1, 1],
            [64, 32, 3, 3], [64, 64, 3, 3], [64, 32, 1, 1], [64, 10],
        ],
        77_706,
    ),
    "ds_cnn": (build_ds_cnn, _shapes((64, 1, 10, 4), [(64, 64)] * 4, 12), 22_604),
    "mobilenet": (
        build_mobilenet,
        _shapes(
            (8, 3, 3, 3),
            [(8, 16), (16, 32), (32, 32), (32, 64), (64, 64), (64, 128), *[(128, 128)] * 5,
             (128, 256), (256, 256)],
            2,
        ),
        210_850,
    ),
    "dense_autoencoder": (
        build_dense_autoencoder,
        [[640, 128], *[[128, 128]] * 3, [128, 8], [8, 128], *[[128, 128]] * 3, [128, 640]],
        265_864,
    ),
}  # fmt: skip


def _random(shapes: list[list[int]]) -> list[tuple[Array, Array]]:
    rng = np.random.default_rng(1)
    return [
        (
            rng.normal(0, 0.1, shape).astype(np.float32),
            rng.normal(0, 0.1, shape[0] if len(shape) == 4 else shape[1]).astype(np.float32),
        )
        for shape in shapes
    ]


@pytest.mark.parametrize("name", _NETS)
def test_given_weights_are_all_of_the_net(name: str) -> None:
    build, shapes, parameters = _NETS[name]
    weights = _random(shapes)
    model = build(weights)
    held = {str(value.name): value.const_value for value in model.graph.initializers.values()}
    assert sum(tensor.size for tensor in held.values() if tensor is not None) == parameters
    assert sum(weight.size + bias.size for weight, bias in weights) == parameters
    assert not any(is_op(node, "BatchNormalization") for node in model.graph)
    assert np.isfinite(_answers(model, np.zeros(_input(model), np.float32))).all()


@pytest.mark.parametrize("name", _NETS)
def test_weights_of_another_net_are_refused(name: str) -> None:
    build, shapes, _ = _NETS[name]
    weights = _random(shapes)
    with pytest.raises(UnsupportedModel, match="has weights of only"):
        build(weights[:-1])
    with pytest.raises(UnsupportedModel, match=f"has weights of {len(weights) + 1} layers"):
        build([*weights, weights[-1]])
    with pytest.raises(UnsupportedModel, match="the weights of layer 0 are"):
        build([(weights[0][0][..., :-1], weights[0][1]), *weights[1:]])


def _input(model: ir.Model) -> tuple[int, ...]:
    shape = model.graph.inputs[0].shape
    assert shape is not None
    return tuple(int(axis) for axis in shape)  # type: ignore[arg-type]


def test_a_seed_says_all() -> None:
    one, same, other = (
        ir.to_proto(build_ds_cnn(training=48, seed=seed)).SerializeToString() for seed in (3, 3, 4)
    )
    assert one == same != other


def test_what_tests_a_net_does_not_depend_on_how_much_it_learned_from() -> None:
    few, many = (resnet8_samples(training=count, test=20) for count in (5, 30))
    np.testing.assert_array_equal(few.test, many.test)
    np.testing.assert_array_equal(few.training, many.training[:5])
    assert len(many.calibration(10)) == 10
