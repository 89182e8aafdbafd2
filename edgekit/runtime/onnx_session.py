"""Opens ONNX files on a board: memory and heat matter more than the last per cent of speed."""

import re
from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort

from edgekit.errors import UnsupportedModel
from edgekit.runtime.options import CPU

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
    model: Path | bytes,
    *,
    threads: int = 1,
    where: str | None = None,
    arena: bool = False,
    providers: Sequence[str] = (CPU,),
    is_optimized: bool = False,
    optimized_to: Path | None = None,
    cache: Path | None = None,
) -> ort.InferenceSession:
    """A session whose threads do not spin, by default on the CPU and without a memory arena.

    Args:
        model: the file, or what is in it; a session of bytes keeps a copy of them for good.
        threads: how many compute.
        where: what to call it in an error; by default the file.
        arena: whether freed memory is kept for the next run.
        providers: exactly these: nothing else is tried.
        is_optimized: whether the file is a graph that was optimised before.
        optimized_to: a file to write the optimised graph to.
        cache: where TensorRT keeps the engines it builds, which takes it minutes.

    Raises:
        UnsupportedModel: the model is damaged, or ONNX Runtime cannot run it so.
    """
    where = where or (str(model) if isinstance(model, Path) else "the model")
    options = _options(threads, arena)
    if is_optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if optimized_to is not None:
        options.optimized_model_filepath = str(optimized_to)
    try:
        return ort.InferenceSession(
            model if isinstance(model, bytes) else str(model),
            options,
            providers=[(name, provider_options(name, cache)) for name in providers],
            enable_fallback=0,
        )
    except Exception as error:  # onnxruntime has an unrelated class for each kind of failure
        raise UnsupportedModel(
            f"{where}: ONNX Runtime cannot load it: {one_line(error)}"
        ) from error


def one_line(error: Exception) -> str:
    """ONNX Runtime's message on one line, without its numeric prefix."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error))
    return " ".join(text.split())[:300] or type(error).__name__


def _options(threads: int, arena: bool) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = arena
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def provider_options(name: str, cache: Path | None) -> dict[str, str]:
    """What a provider is told besides; TensorRT's keeps its engines in a folder that is made here.

    Args:
        name: the execution provider.
        cache: the folder of optimised graphs; one that cannot be written is done without.
    """
    if name != "TensorrtExecutionProvider" or cache is None:
        return {}
    folder = cache / "tensorrt"
    try:
        folder.mkdir(parents=True, exist_ok=True)  # TensorRT's provider does not make parents
    except OSError:
        return {}
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
    }
