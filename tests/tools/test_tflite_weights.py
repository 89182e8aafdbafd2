"""MLPerf Tiny's trained weights in our graphs answer as the TFLite files that they came from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.runtime.litert_engine import LiteRtEngine
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.zoo.mlperf_tiny import Weights, build_dense_autoencoder, build_resnet8
from tools.bench.tflite_weights import tflite_weights


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "build", "shape"),
    [
        ("pretrainedResnet.tflite", build_resnet8, (1, 3, 32, 32)),
        ("ad01_fp32.tflite", build_dense_autoencoder, (1, 640)),
    ],
)
def test_a_rebuilt_net_answers_as_the_file_its_weights_came_from(
    data: Path, file: str, build: Callable[[Weights], ir.Model], shape: tuple[int, ...]
) -> None:
    path = data / "mlperf_tiny" / "models" / file
    rebuilt = OnnxRuntimeEngine(ir.to_proto(build(tflite_weights(path))).SerializeToString())
    original = LiteRtEngine(path)
    rng = np.random.default_rng(0)
    for _ in range(5):
        tensor = rng.uniform(0, 255, shape).astype(np.float32)
        nhwc = tensor.transpose(0, 2, 3, 1) if tensor.ndim == 4 else tensor
        wanted = next(iter(original.run(np.ascontiguousarray(nhwc)).values()))
        found = next(iter(rebuilt.run(tensor).values()))
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)
