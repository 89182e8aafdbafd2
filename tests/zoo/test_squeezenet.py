"""The SqueezeNet builder: the paper's sizes, and the published file's answers."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.errors import UnsupportedModel
from edgekit.graph.describe import describe
from edgekit.graph.load import canonical, load_onnx
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.zoo.squeezenet import build_squeezenet, weights_of
from tests.samples import conv_net


def test_it_has_the_published_number_of_parameters() -> None:
    weights = weights_of(build_squeezenet())
    rng = np.random.default_rng(0)  # equal biases would be stored once
    weights = [(kernel, rng.normal(0, 1, len(kernel)).astype(np.float32)) for kernel, _ in weights]
    described = describe(ir.to_proto(build_squeezenet(weights)))
    assert described.parameters == 1_235_496
    assert described.macs == 349_151_936
    assert described.operators["Conv"] == 26


def test_another_net_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match=r"SqueezeNet 1\.1"):
        weights_of(conv_net())


@pytest.mark.data
def test_built_from_the_published_weights_it_says_what_the_published_file_says(data: Path) -> None:
    path = data / "models/squeezenet1.1.onnx"
    built = build_squeezenet(weights_of(canonical(load_onnx(path), where="it")))
    x = np.random.default_rng(0).normal(0, 60, (1, 3, 224, 224)).astype(np.float32)
    ours = OnnxRuntimeEngine(ir.to_proto(built).SerializeToString()).run(x)["scores"]
    theirs = OnnxRuntimeEngine(path).run(x)["softmaxout_1"]
    np.testing.assert_allclose(ours.reshape(-1), theirs.reshape(-1), atol=1e-6)
