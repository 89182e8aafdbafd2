"""An artifact in one format, loaded by the engine that runs it."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx_ir as ir

from edgekit.compress.answers import Candidate
from edgekit.compress.layers import linear_layers
from edgekit.compress.quantize.half import store_in_half
from edgekit.compress.recipe import Format
from edgekit.compress.running import serialized
from edgekit.compress.trained import TrainedModel
from edgekit.errors import UnsupportedModel
from edgekit.runtime.engine import Engine
from edgekit.runtime.litert_engine import LiteRtEngine
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine


@dataclass(frozen=True)
class Form:
    """An artifact in one format: its file, and the model as its engine runs it."""

    file: str
    data: bytes
    candidate: Candidate

    @property
    def engine(self) -> Engine:
        """What runs it."""
        return self.candidate.engine


def make_form(
    format_: Format, model: ir.Model, trained: TrainedModel, *, half: bool = False
) -> Form:
    """The model in a format, loaded by the engine that runs it.

    Args:
        format_: which.
        model: the graph.
        trained: says what it takes and gives.
        half: whether float weights are stored in 16 bits, which are widened when it is loaded.

    Raises:
        UnsupportedModel: the format cannot hold it.
    """
    if format_ == "onnx":
        return open_form(format_, serialized(in_half(model) if half else model), trained)
    from edgekit.convert import to_tflite

    data = to_tflite(model, weights="float16" if half else "float32")
    return open_form(format_, data, trained)


def in_half(model: ir.Model) -> ir.Model:
    """A copy that stores the weights of its layers in 16 bits, where these can hold them."""
    copied = model.clone()
    for layer in linear_layers(copied):
        if layer.weights.dtype == np.float32:
            with suppress(UnsupportedModel):  # beyond float16's range: it stays as it is
                store_in_half(copied, layer.name)
    return copied


def open_form(format_: Format, data: bytes, trained: TrainedModel) -> Form:
    """A model file, loaded by the engine that runs its format.

    Raises:
        UnsupportedModel: its input or output is not the trained model's.
    """
    if format_ == "onnx":
        engine: Engine = OnnxRuntimeEngine(data)
        return Form("model.onnx", data, Candidate(engine, trained.input, trained.output))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(data)
        engine = LiteRtEngine(path)
    _require_same_signature(engine, trained)
    return Form("model.tflite", data, Candidate(engine, trained.input, trained.output))


def _require_same_signature(engine: Engine, trained: TrainedModel) -> None:
    """A bundle has one description of its input and output, so both formats have to fit it."""
    given, wanted = engine.inputs[0], trained.input
    if (given.name, given.dtype, given.shape) != (wanted.name, wanted.dtype, wanted.shape):
        raise UnsupportedModel(
            f"{trained.name}: as TFLite it takes {given.name} {given.dtype} {list(given.shape)}, "
            f"as ONNX {wanted.name} {wanted.dtype} {list(wanted.shape)}: they cannot share a "
            "bundle; leave one format out"
        )
    if trained.output.name not in [info.name for info in engine.outputs]:
        raise UnsupportedModel(f"{trained.name}: as TFLite it has no {trained.output.name!r}")
