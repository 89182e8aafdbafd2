"""NNCF's post-training quantisation of ONNX files."""

from collections.abc import Iterable

import nncf  # type: ignore[import-not-found]
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

from tools.bench.peers.job import Job, run

_DROP = 0.005


def work(job: Job) -> None:
    model = onnx.load(job.model)
    name = model.graph.input[0].name
    with np.load(job.calibration) as file:
        tensors, targets = file["x"], file["y"]
    calibration = nncf.Dataset(list(tensors), lambda tensor: {name: tensor[np.newaxis]})
    if job.mode == "default":
        quantized = nncf.quantize(model, calibration, subset_size=len(tensors))
    else:
        quantized = nncf.quantize_with_accuracy_control(
            model,
            calibration,
            nncf.Dataset(list(zip(tensors, targets, strict=True))),
            _top1,
            subset_size=len(tensors),
            max_drop=_DROP,
        )
    onnx.save(quantized, job.out)


def _top1(
    model: onnx.ModelProto, data: Iterable[tuple[npt.NDArray[np.float32], int]]
) -> tuple[float, None]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    right = [
        int(np.argmax(session.run(None, {name: tensor[np.newaxis]})[0]) == target)
        for tensor, target in data
    ]
    return sum(right) / len(right), None


if __name__ == "__main__":
    run(work)
