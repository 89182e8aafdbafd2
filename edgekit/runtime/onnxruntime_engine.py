"""Runs ONNX files with ONNX Runtime on the CPU."""

from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort

from edgekit.array import Array
from edgekit.bundle.manifest import EngineName
from edgekit.errors import InputError
from edgekit.runtime.engine import TensorInfo
from edgekit.runtime.onnx_session import DTYPES, one_line, open_session


class OnnxRuntimeEngine:
    """One ONNX model, loaded.

    The memory arena is off and threads do not spin: on a board memory and heat matter more
    than the last per cent of speed.

    Raises:
        UnsupportedModel: the file is damaged, or ONNX Runtime cannot run it.
    """

    name: EngineName = "onnxruntime"
    version: str = ort.__version__

    def __init__(self, model: Path | bytes, *, threads: int = 1) -> None:
        self._session = open_session(model, threads=threads)
        self.inputs: Sequence[TensorInfo] = tuple(map(_info, self._session.get_inputs()))
        self.outputs: Sequence[TensorInfo] = tuple(map(_info, self._session.get_outputs()))
        self._output_names = [info.name for info in self.outputs]

    def run(self, tensor: Array) -> dict[str, Array]:
        """Runs the model on its only input; gives every output by name.

        Raises:
            InputError: the tensor does not fit the model.
        """
        try:
            outputs = self._session.run(self._output_names, {self.inputs[0].name: tensor})
        except Exception as error:
            raise InputError(
                f"ONNX Runtime cannot run the model on this input: {one_line(error)}"
            ) from error
        return dict(zip(self._output_names, outputs, strict=True))


def _info(value: ort.NodeArg) -> TensorInfo:
    return TensorInfo(
        name=value.name,
        dtype=DTYPES.get(value.type, value.type),
        shape=tuple(axis if isinstance(axis, int) else None for axis in value.shape),
    )
