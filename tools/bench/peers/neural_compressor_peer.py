"""Neural Compressor's static quantisation of ONNX files."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx_neural_compressor import data_reader  # type: ignore[import-not-found]
from onnx_neural_compressor.quantization import (  # type: ignore[import-not-found]
    config,
    quantize,
)

from tools.bench.peers.job import Job, run


class _Reader(data_reader.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, tensors: npt.NDArray[np.float32]) -> None:
        self._name = name
        self._tensors = tensors
        self.rewind()

    def rewind(self) -> None:
        self._next = iter(self._tensors)

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        tensor = next(self._next, None)
        return None if tensor is None else {self._name: tensor[np.newaxis]}


def work(job: Job) -> None:
    name = onnx.load(job.model).graph.input[0].name
    reader = _Reader(name, np.load(job.calibration)["x"])
    parts = Path(job.out).with_suffix(".parts.onnx")
    quantize(job.model, str(parts), config.StaticQuantConfig(calibration_data_reader=reader))
    onnx.save(onnx.load(parts), job.out)  # it keeps weights in a file beside the model


if __name__ == "__main__":
    run(work)
