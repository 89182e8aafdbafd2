"""What runs a model file: one small protocol, and the table of those who keep it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

from edgekit.array import Array
from edgekit.bundle.manifest import EngineName, Quantization
from edgekit.errors import InputError, UnsupportedModel
from edgekit.runtime.options import DEFAULTS, EngineOptions


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a model; a dynamic axis is `None`."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    quantization: Quantization | None = None


class Engine(Protocol):
    """Runs one model. Not for two threads at once."""

    @property
    def name(self) -> EngineName:
        """What the manifest calls this engine."""

    @property
    def version(self) -> str:
        """The version of the library behind it."""

    @property
    def provider(self) -> str:
        """What computes, as the library calls it: an execution provider or a delegate."""

    @property
    def inputs(self) -> Sequence[TensorInfo]:
        """What the model takes."""

    @property
    def outputs(self) -> Sequence[TensorInfo]:
        """What the model gives."""

    def run(self, tensor: Array) -> dict[str, Array]:
        """Runs the model on its only input; gives every output by name.

        Raises:
            InputError: the tensor does not fit the model.
        """

    def close(self) -> None:
        """Gives the model's memory back; it cannot run any more."""


ENGINES: dict[EngineName, str] = {
    "onnxruntime": "edgekit.runtime.onnxruntime_engine:OnnxRuntimeEngine",
    "litert": "edgekit.runtime.litert_engine:LiteRtEngine",
}
SUFFIXES: dict[str, EngineName] = {".onnx": "onnxruntime", ".tflite": "litert"}


def open_engine(
    name: EngineName,
    path: Path,
    *,
    options: EngineOptions = DEFAULTS,
    sha256: str | None = None,
) -> Engine:
    """Loads a model file.

    Args:
        name: which engine.
        path: the file.
        options: how it is to run it.
        sha256: of the file, where that is known.

    Raises:
        InputError: the file cannot be read, or the engine is not installed.
        UnsupportedModel: the file is damaged, or the engine cannot run what is in it.
    """
    module, _, kind = ENGINES[name].partition(":")
    opened: Engine = getattr(import_module(module), kind)(path, options=options, sha256=sha256)
    return opened


def engine_versions() -> dict[str, str]:
    """The version of each engine's library that is installed, by its package's name."""
    found = {}
    for package in ("onnxruntime", "onnxruntime-gpu", "ai-edge-litert", "tflite-runtime"):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def engine_for(path: Path) -> EngineName:
    """Which engine runs a file, by its suffix.

    Raises:
        InputError: there is no such file, or none runs it.
    """
    if not path.is_file():
        raise InputError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    engine = SUFFIXES.get(path.suffix.lower())
    if engine is None:
        raise UnsupportedModel(
            f"{path}: not a model that edgekit knows; give an .onnx or a .tflite file"
        )
    return engine
