"""The same gradients as onnx-ad's, where it is installed; nothing else needs it."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgekit.autodiff import gradients
from tests.autodiff.cases import CASES
from tests.autodiff.differences import model_of, normal, run

onnx_ad = pytest.importorskip("onnx_ad", reason="onnx-ad is not installed: it is only a peer")

OTHERWISE = {
    "BatchNormalization": "it gives 0 for the statistics",
    "GlobalMaxPool with ties": "it shares among equal numbers, where PyTorch takes the first",
    "ReduceL2": "it gives NaN where the norm is 0",
    "a learned scale": "it takes quantisation to have no gradient",
    "learned scales by channel": "it takes quantisation to have no gradient",
    "BatchNormalization in training": "it refuses training mode",
}
"""What it does not do, or does by another convention."""


@pytest.mark.parametrize("name", CASES)
def test_an_operator_has_the_gradients_that_onnx_ad_gives_it(name: str) -> None:
    if name in OTHERWISE:
        pytest.skip(OTHERWISE[name])
    net, arrays, opset = CASES[name]
    inputs = {f"x{number}": array for number, array in enumerate(arrays)}
    model = model_of(net, inputs, opset=opset)
    try:
        peer = onnx_ad.reverse(ir.to_proto(model), layout="onnx")
    except onnx_ad.UnsupportedOperator as error:
        pytest.skip(f"onnx-ad refuses: {error}")
    found = run(model, inputs)
    dy = normal(*found["y"].shape, seed=9)
    ours = run(gradients(model, "y", list(inputs), seed="dy"), {**inputs, "dy": dy})
    theirs = run_peer(peer, {**inputs, "adj_y": dy[..., np.newaxis]})
    for key in inputs:
        slope = theirs[f"adj_{key}"][..., 0]
        np.testing.assert_allclose(ours[f"grad({key})"], slope, rtol=1e-4, atol=1e-5)


def run_peer(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return run(ir.from_proto(model), feeds)
