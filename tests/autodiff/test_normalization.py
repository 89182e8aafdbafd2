"""Gradients of normalisations."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.autodiff import gradients
from edgekit.errors import UnsupportedModel
from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import check, model_of, normal


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4), (2, 3, 4, 2)])
def test_batch_normalization_in_inference(shape: tuple[int, ...]) -> None:
    inputs = {"x": normal(*shape), "variance": np.abs(normal(3, seed=4)) + np.float32(0.5)}
    inputs |= {name: normal(3, seed=seed) for seed, name in enumerate(("scale", "bias", "mean"), 1)}

    def net(build: GraphBuilder, *values: ir.Value) -> ir.Value:
        x, variance, scale, bias, mean = values
        return build.op("BatchNormalization", x, scale, bias, mean, variance, epsilon=1e-3)

    check(net, inputs)


def in_training(build: GraphBuilder, *values: ir.Value) -> ir.Value:
    """Normalised by the statistics of the batch; the given ones start at 0."""
    x, scale, bias = values
    zeros = np.zeros(3, np.float32)
    how = {"epsilon": 1e-3, "training_mode": 1}
    return build.op_many("BatchNormalization", x, scale, bias, zeros, zeros, outputs=3, **how)[0]


@given(
    st.integers(2, 4),
    st.lists(st.integers(1, 4), max_size=2),
    st.sampled_from([0, 3]),
)
@settings(max_examples=30, deadline=None)
def test_batch_normalization_in_training(batch: int, size: list[int], mean: int) -> None:
    inputs = {"x": normal(batch, 3, *size) + np.float32(mean)}
    inputs |= {"scale": normal(3, seed=1), "bias": normal(3, seed=2)}
    check(in_training, inputs)


def test_running_statistics_have_no_gradient() -> None:
    def net(build: GraphBuilder, x: ir.Value, ones: ir.Value) -> ir.Value:
        return build.op_many(
            "BatchNormalization", x, ones, ones, ones, ones, outputs=3, training_mode=1
        )[1]

    model = model_of(net, {"x": normal(4, 3), "ones": np.ones(3, np.float32)})
    with pytest.raises(UnsupportedModel, match="BatchNormalization node"):
        gradients(model, "y", ["x"], seed="dy")


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("biased", [True, False])
def test_layer_normalization(axis: int, biased: bool) -> None:
    shape = (4,) if axis == -1 else (3, 4)
    inputs = {"x": normal(2, 3, 4), "scale": normal(*shape, seed=1)}
    if biased:
        inputs["bias"] = normal(*shape, seed=2)
    check(lambda build, *values: build.op("LayerNormalization", *values, axis=axis), inputs)


def test_instance_normalization() -> None:
    inputs = {"x": normal(2, 3, 4, 2), "scale": normal(3, seed=1), "bias": normal(3, seed=2)}
    check(lambda build, *values: build.op("InstanceNormalization", *values), inputs)
