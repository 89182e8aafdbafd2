"""ONNX Runtime's own quantiser, and its conversion to 16-bit floats."""

import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.transformers.float16 import convert_float_to_float16

from tools.bench.peers.job import Job, run

_STATIC: dict[str, dict[str, Any]] = {
    "u8s8": {"activation_type": QuantType.QUInt8, "per_channel": True},
    "u8s8-per-tensor": {"activation_type": QuantType.QUInt8, "per_channel": False},
    "s8s8": {"activation_type": QuantType.QInt8, "per_channel": True},
}
_DYNAMIC = {"dynamic-u8": QuantType.QUInt8, "dynamic-s8": QuantType.QInt8}


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, tensors: npt.NDArray[np.float32]) -> None:
        self._name = name
        self._tensors = iter(tensors)

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        tensor = next(self._tensors, None)
        return None if tensor is None else {self._name: tensor[np.newaxis]}


def work(job: Job) -> None:
    model = onnx.load(job.model)
    if job.mode == "fp16":
        onnx.save(convert_float_to_float16(model, keep_io_types=True), job.out)
    elif job.mode in _DYNAMIC:
        quantize_dynamic(model, job.out, weight_type=_DYNAMIC[job.mode])
    else:
        quantize_static(
            model,
            job.out,
            _Reader(model.graph.input[0].name, np.load(job.calibration)["x"]),
            quant_format=QuantFormat.QDQ,
            weight_type=QuantType.QInt8,
            **_STATIC[job.mode],
        )


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    run(work)
