"""A session computes what the graph says."""

import numpy as np
import onnx_ir as ir

from edgekit.graph.build import GraphBuilder
from edgekit.graph.session import open_session


def test_float_weights_behind_integers_stay_float() -> None:
    """onnxruntime would give them 8 bits, of which the largest takes most."""
    build = GraphBuilder("conv")
    x = build.input("x", np.uint8, (1, 1, 4, 4))
    weights = np.array([100.0, 0.123]).reshape(2, 1, 1, 1).astype(np.float32)
    value = build.op("DequantizeLinear", x, np.float32(1), np.uint8(0))
    value = build.op("Conv", value, weights)
    integers = build.op("QuantizeLinear", value, np.float32(0.1), np.uint8(0))
    value = build.op("DequantizeLinear", integers, np.float32(0.1), np.uint8(0))
    model: ir.Model = build.finish(y=(value, np.float32, (1, 2, 4, 4)))
    pixels = np.full((1, 1, 4, 4), 100, np.uint8)
    (found,) = open_session(model).run(None, {"x": pixels})
    np.testing.assert_allclose(found[0, 1], 12.3, rtol=1e-6)
