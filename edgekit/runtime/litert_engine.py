"""Runs TFLite files with LiteRT, XNNPACK's kernels included."""

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.array import Array
from edgekit.bundle.manifest import EngineName, Quantization
from edgekit.errors import InputError, UnsupportedModel
from edgekit.runtime.engine import TensorInfo
from edgekit.runtime.options import EngineOptions

_INTERPRETERS = (
    ("ai-edge-litert", "ai_edge_litert.interpreter"),
    ("tflite-runtime", "tflite_runtime.interpreter"),
)


class LiteRtEngine:
    """One TFLite model, loaded.

    Args:
        model: the file.
        threads: how many compute; for those who need no other options.
        options: how to run it; LiteRT heeds the threads.
        sha256: not needed.
        interpreters: packages to try, in order, each with the module of its `Interpreter`.

    Raises:
        InputError: LiteRT is not installed, or does not work.
        UnsupportedModel: the file is damaged, or LiteRT cannot run it.
    """

    name: EngineName = "litert"
    provider = "XNNPACK"

    def __init__(
        self,
        model: Path,
        *,
        threads: int = 1,
        options: EngineOptions | None = None,
        sha256: str | None = None,
        interpreters: Sequence[tuple[str, str]] = _INTERPRETERS,
    ) -> None:
        threads = threads if options is None else options.threads
        data = model.read_bytes()  # a mapped file that changes underneath would kill the process
        if data[4:8] != b"TFL3":
            raise UnsupportedModel(f"{model}: not a TFLite model: it does not say TFL3 at byte 4")
        try:
            self._interpreter, self.version = _interpreter(data, threads, interpreters)
            self._interpreter.allocate_tensors()
        except InputError:
            raise
        except Exception as error:
            raise UnsupportedModel(f"{model}: LiteRT cannot load it: {_text(error)}") from error
        details = self._interpreter.get_input_details()
        self.inputs: Sequence[TensorInfo] = tuple(map(_info, details))
        self._input_index = details[0]["index"]
        details = self._interpreter.get_output_details()
        self.outputs: Sequence[TensorInfo] = tuple(map(_info, details))
        self._output_indices = {detail["name"]: detail["index"] for detail in details}

    def run(self, tensor: Array) -> dict[str, Array]:
        """Runs the model on its only input; gives every output by name.

        Raises:
            InputError: the tensor does not fit the model.
        """
        try:
            self._interpreter.set_tensor(self._input_index, tensor)
            self._interpreter.invoke()
        except Exception as error:
            raise InputError(
                f"LiteRT cannot run the model on this input: {_text(error)}"
            ) from error
        return {
            name: self._interpreter.get_tensor(index)
            for name, index in self._output_indices.items()
        }

    def close(self) -> None:
        """Gives the model's memory back."""
        self._interpreter = None

    def operators(self) -> dict[str, int]:
        """How many of each operator the model has, by TFLite's names."""
        names = [detail["op_name"] for detail in self._interpreter._get_ops_details()]
        return {name: names.count(name) for name in dict.fromkeys(names) if name != "DELEGATE"}


def _interpreter(
    data: bytes, threads: int, interpreters: Sequence[tuple[str, str]]
) -> tuple[Any, str]:
    """The first interpreter that is there and works, and its version.

    Importing proves nothing: tflite-runtime's, built for NumPy 1, imports beside NumPy 2 and fails
    when an interpreter is made.
    """
    broken = ""
    for package, module in interpreters:
        try:
            found = import_module(module).Interpreter
            return found(model_content=data, num_threads=threads), version(package)
        except (ImportError, SystemError, AttributeError) as error:
            is_absent = isinstance(error, ModuleNotFoundError)
            if is_absent and not isinstance(error, PackageNotFoundError):
                continue
            broken = broken or f"; {package} is there but does not work: {_text(error)}"
    raise InputError(f"a .tflite model needs LiteRT: pip install 'edgekit[tflite]'{broken}")


def _info(detail: dict[str, Any]) -> TensorInfo:
    scale, zero_point = detail["quantization"]
    return TensorInfo(
        name=detail["name"],
        dtype=np.dtype(detail["dtype"]).name,
        shape=tuple(int(axis) for axis in detail["shape"]),
        quantization=Quantization(scale=float(scale), zero_point=int(zero_point))
        if scale
        else None,
    )


def _text(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
