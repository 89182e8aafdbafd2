"""Runs ONNX files with ONNX Runtime on the CPU."""

import re
from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort

from edgekit.array import Array
from edgekit.bundle.manifest import EngineName
from edgekit.errors import InputError, UnsupportedModel
from edgekit.runtime.engine import TensorInfo

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


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
        where = str(model) if isinstance(model, Path) else "the model"
        try:
            self._session = ort.InferenceSession(
                model if isinstance(model, bytes) else str(model),
                _options(threads),
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:  # onnxruntime has an unrelated class for each kind of failure
            raise UnsupportedModel(
                f"{where}: ONNX Runtime cannot load it: {_text(error)}"
            ) from error
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
                f"ONNX Runtime cannot run the model on this input: {_text(error)}"
            ) from error
        return dict(zip(self._output_names, outputs, strict=True))


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _info(value: ort.NodeArg) -> TensorInfo:
    return TensorInfo(
        name=value.name,
        dtype=_DTYPES.get(value.type, value.type),
        shape=tuple(axis if isinstance(axis, int) else None for axis in value.shape),
    )


def _text(error: Exception) -> str:
    """ONNX Runtime's message on one line, without its numeric prefix."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error))
    return " ".join(text.split())[:300] or type(error).__name__
