"""Converts an ONNX file to a TFLite file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from edgekit.convert.check import Agreement, require_agreement
from edgekit.convert.tflite import Weights, to_tflite
from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.load import canonical, load_onnx

_SUFFIX = ".tflite"


@dataclass(frozen=True)
class Converted:
    """A TFLite file that was written.

    Attributes:
        path: where it is.
        size_bytes: of the file.
        source_bytes: of the ONNX file.
        agreement: how near each output is to onnxruntime's.
    """

    path: Path
    size_bytes: int
    source_bytes: int
    agreement: Sequence[Agreement]


def convert_file(
    model: Path,
    *,
    out: Path,
    weights: Weights = "float32",
    input_shape: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
    replace: bool = False,
) -> Converted:
    """Writes the TFLite form of an ONNX file, once it gave what onnxruntime gives.

    Args:
        model: the ONNX file.
        out: the file to write; it ends in `.tflite`.
        weights: how to store the weights of layers that compute in float.
        input_shape: of its only input, or of each by name; it fixes axes that are dynamic.
        replace: whether a file at `out` gives way.

    Raises:
        InputError: a file cannot be read or written.
        UnsupportedModel: the model has no form in TFLite, or not the same one. Nothing is written.
    """
    _require_free(out, replace=replace)
    graph = canonical(load_onnx(model), where=str(model), input_shape=input_shape)
    try:
        data = to_tflite(graph, weights=weights, check=False)
        agreement = require_agreement(graph, data, half_weights=weights == "float16")
    except UnsupportedModel as error:
        raise UnsupportedModel(f"{model}: {error}") from error
    _write(out, data)
    return Converted(out, len(data), model.stat().st_size, agreement)


def _require_free(out: Path, *, replace: bool) -> None:
    if out.suffix.lower() != _SUFFIX:
        raise InputError(f"{out}: must end in {_SUFFIX}; engines are told by it")
    if not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}")
    if out.is_dir() or (out.exists() and not replace):
        raise InputError(f"{out}: is there already; choose another name, or say --force")


def _write(out: Path, data: bytes) -> None:
    try:
        with NamedTemporaryFile(dir=out.parent, prefix=f".{out.name}.", delete=False) as draft:
            try:
                draft.write(data)
                draft.flush()
                os.fchmod(draft.fileno(), 0o644)
                Path(draft.name).replace(out)
            except OSError:
                Path(draft.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror or error}") from error
