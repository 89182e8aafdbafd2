"""Opens ONNX files on a board: memory and heat matter more than the last per cent of speed."""

import re
from pathlib import Path

import onnxruntime as ort

from edgekit.errors import UnsupportedModel

DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}
"""NumPy's names of what ONNX Runtime says tensors hold."""


def open_session(
    model: Path | bytes, *, threads: int = 1, where: str | None = None
) -> ort.InferenceSession:
    """A session on the CPU without a memory arena, whose threads do not spin.

    Args:
        model: the file, or what is in it.
        threads: how many compute.
        where: what to call it in an error; by default the file.

    Raises:
        UnsupportedModel: the model is damaged, or ONNX Runtime cannot run it.
    """
    where = where or (str(model) if isinstance(model, Path) else "the model")
    try:
        return ort.InferenceSession(
            model if isinstance(model, bytes) else str(model),
            _options(threads),
            providers=["CPUExecutionProvider"],
        )
    except Exception as error:  # onnxruntime has an unrelated class for each kind of failure
        raise UnsupportedModel(
            f"{where}: ONNX Runtime cannot load it: {one_line(error)}"
        ) from error


def one_line(error: Exception) -> str:
    """ONNX Runtime's message on one line, without its numeric prefix."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error))
    return " ".join(text.split())[:300] or type(error).__name__


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
