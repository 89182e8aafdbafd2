"""Gradients of Dropout, while it drops."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.autodiff import gradients
from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import model_of, run

X = np.arange(1, 101, dtype=np.float32).reshape(10, 10)


@pytest.mark.parametrize("ratio", [None, 0.25])
@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_is_dropped_as_the_number_was(ratio: float | None, masked: bool) -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        outputs = 2 if masked else 1
        return build.op_many("Dropout", x, ratio, np.array(True), outputs=outputs, seed=3)[0]

    model = gradients(model_of(net, {"x": X}), "y", ["x"], seed="dy")
    found = run(model, {"x": X, "dy": 2 * X})
    kept = found["y"] != 0
    assert 20 < kept.sum() < 95
    np.testing.assert_allclose(found["grad(x)"], 2 * found["y"], 1e-6)
    np.testing.assert_allclose(found["y"], kept * X / (1 - (ratio or 0.5)), 1e-6)
