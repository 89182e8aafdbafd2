"""Models of every opset from 13 to the newest that onnxruntime takes."""

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import onnx_ir as ir
import pytest

from edgekit.autodiff import gradients
from tests.autodiff.differences import normal, run

NEWEST = 26
"""What onnxruntime 1.31 takes; it refuses newer ones when it loads a model."""


def net(opset: int) -> ir.Model:
    """A small network whose operators have taken their settings in different ways."""
    if opset < 18:
        mean, parts = "ReduceMean<axes=[2, 3], keepdims=0>(pooled)", "Split<axis=1>(hidden)"
    else:
        mean, parts = "ReduceMean<keepdims=0>(pooled, axes)", "Split<axis=1, num_outputs=2>(hidden)"
    text = f"""
        <ir_version: {8 if opset < 19 else 10}, opset_import: ["": {opset}]>
        net (float[2, 3, 6, 6] x) => (float[2, 2] y)
        <float[4, 3, 3, 3] w, int64[2] axes = {{2, 3}},
         float half = {{0.5}}, bool no = {{0}}, float[4] s, int64[8] pads = {{0,0,1,1,0,0,1,1}}> {{
            padded = Pad(x, pads)
            conv = Conv(padded, w)
            normed = BatchNormalization(conv, s, s, s, s)
            clipped = LeakyRelu(normed)
            pooled = AveragePool<kernel_shape=[2, 2], strides=[2, 2]>(clipped)
            kept = Dropout(pooled, half, no)
            hidden = {mean}
            a, b = {parts}
            product = Mul(a, b)
            y = Softmax(product)
        }}
    """
    proto = onnx.parser.parse_model(text)
    for name, array in (("w", normal(4, 3, 3, 3)), ("s", np.abs(normal(4)) + np.float32(0.5))):
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return ir.from_proto(proto)


@pytest.mark.parametrize("opset", [13, 14, 15, 16, 17, 18, 19, 20, 21, 23, NEWEST])
def test_every_opset_gives_the_same_gradients(opset: int) -> None:
    feeds = {"x": normal(2, 3, 6, 6), "dy": normal(2, 2, seed=1)}
    wanted = run(gradients(net(17), "y", ["x", "w", "normed"], seed="dy"), feeds)
    model = gradients(net(opset), "y", ["x", "w", "normed"], seed="dy")
    assert model.opset_imports[""] == max(opset, 17)
    found = run(model, feeds)
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, atol=1e-6)
