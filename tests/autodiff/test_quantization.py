"""Gradients through quantisation: rounding counts as the identity, clipping does not."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.autodiff import gradients
from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import model_of, run


def through(inputs: dict[str, Array], zero: Array, axis: int = 1) -> dict[str, Array]:
    """Gradients of the sum of `dy` times the quantised and dequantised `x`, `dy` being 1, 2, 3."""

    def net(build: GraphBuilder, x: ir.Value, scale: ir.Value) -> ir.Value:
        q = build.op("QuantizeLinear", x, scale, build.constant(zero), axis=axis)
        q = build.op("Transpose", build.op("Transpose", q))
        return build.op("DequantizeLinear", q, scale, build.constant(zero), axis=axis)

    dy = np.arange(1, inputs["x"].size + 1, dtype=np.float32).reshape(inputs["x"].shape)
    model = gradients(model_of(net, inputs), "y", ["x", "scale"], seed="dy")
    return run(model, {**inputs, "dy": dy})


def test_a_number_that_is_clipped_has_no_gradient() -> None:
    inputs = {
        "x": np.array([[-3.0, -1.0, 0.26, 124.2, 125.8]], np.float32),
        "scale": np.array(0.5, np.float32),
    }
    found = through(inputs, np.array(4, np.uint8))
    assert found["grad(x)"].tolist() == [[0, 2, 3, 4, 0]]


def test_a_scale_has_the_gradient_of_learned_step_size() -> None:
    inputs = {
        "x": np.array([[-3.0, -1.1, 0.3, 200.0]], np.float32),
        "scale": np.array(0.5, np.float32),
    }
    found = through(inputs, np.array(4, np.uint8))
    errors = [-4, -2 - -1.1 / 0.5, 1 - 0.3 / 0.5, 251]
    np.testing.assert_allclose(found["grad(scale)"], np.dot([1, 2, 3, 4], errors), 1e-6)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_each_channel_has_its_own_scale(axis: int) -> None:
    x = np.array([[0.3, 0.7], [-0.2, 70.0]], np.float32)
    scale = np.array([0.5, 0.2], np.float32)
    found = through({"x": x, "scale": scale}, np.zeros(2, np.int8), axis)
    column = scale[:, np.newaxis] if axis == 0 else scale
    ticks = x / column
    error = np.where(ticks > 127, 127, np.round(ticks) - ticks)
    wanted = (np.array([[1, 2], [3, 4]]) * error).sum(axis=1 if axis == 0 else 0)
    assert found["grad(x)"].tolist() == [[1, 2], [3, 0]]
    np.testing.assert_allclose(found["grad(scale)"], wanted, 1e-5)
