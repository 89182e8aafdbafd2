"""SqueezeNet 1.1 with its trained weights: floats near, integers equal, at every tensor."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from edgekit.array import Array
from edgekit.convert import to_tflite
from edgekit.convert.check import require_agreement
from edgekit.graph.load import canonical, load_onnx
from tests.convert.engines import litert_integers, onnxruntime_integers, operators
from tests.convert.graphs import on_grid

pytestmark = pytest.mark.data
INPUT = "data_0"


@pytest.fixture(scope="module")
def squeezenet(data: Path) -> ir.Model:
    return canonical(load_onnx(data / "models" / "squeezenet1.1.onnx"), where="squeezenet")


class Reader(CalibrationDataReader):
    """Smooth random pictures."""

    def __init__(self) -> None:
        self._inputs = self._made()

    def _made(self) -> Iterator[dict[str, Array]]:
        for seed in range(2):
            coarse = np.random.default_rng(seed).uniform(-110, 140, (1, 3, 14, 14))
            yield {INPUT: coarse.repeat(16, 2).repeat(16, 3).astype(np.float32)}

    def get_next(self) -> dict[str, Array] | None:
        return next(self._inputs, None)


@pytest.fixture(scope="module")
def quantized(squeezenet: ir.Model, tmp_path_factory: pytest.TempPathFactory) -> ir.Model:
    path = tmp_path_factory.mktemp("quantized") / "int8.onnx"
    quantize_static(
        ir.to_proto(squeezenet), path, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, reduce_range=True,
    )  # fmt: skip
    return ir.from_proto(onnx.load(path))


@pytest.mark.parametrize("weights", ["float32", "float16"])
def test_the_float_net_gives_the_same(squeezenet: ir.Model, weights: str) -> None:
    data = to_tflite(squeezenet, weights=weights, check=False)
    (found,) = require_agreement(squeezenet, data, half_weights=weights == "float16")
    assert found.relative < 1e-5


def test_the_quantised_net_gives_equal_integers_at_every_tensor(quantized: ir.Model) -> None:
    data = to_tflite(quantized)
    first = next(node for node in quantized.graph if node.op_type == "QuantizeLinear")
    scale, zero_point = (value.const_value.numpy().item() for value in first.inputs[1:3])
    feeds = {INPUT: on_grid((1, 3, 224, 224), scale, zero_point)}
    expected, found = onnxruntime_integers(quantized, feeds), litert_integers(data, feeds)
    compared = 0
    for name, integers in expected.items():
        if name in found:
            ours = found[name]
            moved = ours.transpose(0, 3, 1, 2) if ours.ndim == 4 else ours
            np.testing.assert_array_equal(moved, integers, err_msg=name)
            compared += 1
    assert compared == 26 + 8 + 3 + 1  # Conv, Concat, MaxPool, the mean


def test_the_quantised_net_is_small_and_all_in_integers(quantized: ir.Model) -> None:
    data = to_tflite(quantized)
    assert len(data) < 1_400_000
    used = operators(data)
    assert used.count("CONV_2D") == 26
    assert used.count("TRANSPOSE") == 1
