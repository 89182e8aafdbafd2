"""Exports a bundle's INT8 model as C files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.array import Array
from edgekit.bundle import Bundle, open_bundle
from edgekit.convert.c import text
from edgekit.convert.c.folder import require_free, write_all
from edgekit.convert.c.golden import golden_header, golden_of, self_test
from edgekit.convert.c.header import header
from edgekit.convert.c.micro import micro_header, micro_source
from edgekit.convert.c.model import lower_model
from edgekit.convert.c.readme import readme
from edgekit.convert.c.source import source_text
from edgekit.convert.c.writing import Writing
from edgekit.convert.tflite import to_tflite
from edgekit.errors import BundleError, UnsupportedModel


@dataclass(frozen=True)
class Exported:
    """C files that were written.

    Attributes:
        folder: where.
        name: what every identifier in them begins with.
        files: their names.
        constant_bytes: what the constants take in flash.
        arena_bytes: of RAM.
        macs: multiplications that are added up for one answer.
    """

    folder: Path
    name: str
    files: Sequence[str]
    constant_bytes: int
    arena_bytes: int
    macs: int


def export_c(
    bundle: Path, *, out: Path, name: str | None = None, replace: bool = False
) -> Exported:
    """Writes the INT8 model of a bundle as portable C99, with LiteRT's results.

    Args:
        bundle: its folder. Its `.tflite` is what is exported; of one that has ONNX alone, the
            TFLite form that `to_tflite` gives.
        out: the folder to write to.
        name: what identifiers and files begin with; by default after the bundle's name.
        replace: whether files that are there give way.

    Raises:
        InputError: the name or the folder cannot be used.
        BundleError: the bundle must not be trusted.
        UnsupportedModel: the model is not INT8, or has an operator that C has not. Nothing is
            written then.
    """
    chosen = None if name is None else text.checked_identifier(name)
    opened = open_bundle(bundle)
    chosen = chosen or text.identifier(opened.manifest.name)
    require_free(out, dict.fromkeys(_names(chosen), ""), replace=replace)
    try:
        texts, exported = _written(opened, chosen, out)
    except UnsupportedModel as error:
        raise UnsupportedModel(f"{bundle}: {error}") from error
    write_all(out, texts, replace=replace)
    return exported


def tflite_of(bundle: Bundle) -> bytes:
    """The TFLite file of a bundle, or the one that its ONNX file gives.

    Raises:
        UnsupportedModel: it has no form in TFLite.
    """
    if "litert" in bundle.manifest.models:
        return bundle.model_path("litert").read_bytes()
    from edgekit.graph.load import canonical, load_onnx

    path = bundle.model_path("onnxruntime")
    return to_tflite(canonical(load_onnx(path), where=str(path)))


def _names(name: str) -> tuple[str, ...]:
    ends = (".h", ".c", "_golden.h", "_test.c", "_tflite.h", "_tflite.c", "_README.md")
    return tuple(f"{name}{end}" for end in ends)


def _written(bundle: Bundle, name: str, out: Path) -> tuple[dict[str, str], Exported]:
    """The files' texts, and what is to be said of them."""
    manifest = bundle.manifest
    data = tflite_of(bundle)
    model = lower_model(data, manifest)
    writing = Writing(name, model, manifest, bundle.labels(), bundle.short_hash)
    golden = golden_of(data, model, manifest, _golden_inputs(bundle))
    texts = (
        header(writing),
        source_text(writing),
        golden_header(writing, golden),
        self_test(writing),
        micro_header(name, len(data)),
        micro_source(name, data),
        readme(writing, tflite_bytes=len(data)),
    )
    names = _names(name)
    numbers = 4 * model.answer.target.size * writing.keeps_numbers
    return dict(zip(names, texts, strict=True)), Exported(
        out,
        name,
        names,
        model.program.constant_bytes,
        model.bytes_size + numbers,
        model.macs,
    )


def _golden_inputs(bundle: Bundle) -> Array:
    """The inputs of the bundle's golden vectors.

    Raises:
        BundleError: it has none.
    """
    if bundle.manifest.golden is None:
        raise BundleError(f"{bundle.path}: has no golden vectors; make the bundle again")
    with np.load(bundle.path / bundle.manifest.golden, allow_pickle=False) as arrays:
        return np.asarray(arrays["inputs"])
