"""Takes a model all the way to a bundle: calibrate, quantise, measure, write."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnx_ir as ir

from edgekit import __version__
from edgekit.array import Array
from edgekit.bundle import (
    Bundle,
    Manifest,
    Provenance,
    Requirements,
    archive_bytes,
    check_free,
    write_bundle,
)
from edgekit.compress.adapt import adapt
from edgekit.compress.answers import Candidate
from edgekit.compress.data import Samples, open_data, read_labels
from edgekit.compress.golden import golden_file, golden_inputs
from edgekit.compress.measure import Comparison, compare
from edgekit.compress.names import bundle_name
from edgekit.compress.progress import Progress, Silent
from edgekit.compress.recipe import Recipe, load_recipe
from edgekit.compress.report import Report, report_html
from edgekit.compress.steps import name_of, require_runnable, run_step
from edgekit.compress.trained import TrainedModel
from edgekit.errors import UnsupportedModel
from edgekit.graph.load import load_onnx
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.runtime.prepare import prepare

MODEL = "model.onnx"
LABELS = "labels.txt"
GOLDEN = "golden.npz"


@dataclass(frozen=True)
class Compressed:
    """What compression made, and what it found."""

    bundle: Bundle
    report: Report


def compress_model(
    model: Path,
    *,
    data: Path,
    out: Path,
    recipe: Recipe | None = None,
    labels: Path | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> Compressed:
    """Shrinks a trained ONNX model and writes a bundle.

    Args:
        model: the ONNX file.
        data: pictures or arrays to calibrate on and to measure with: see `open_data`.
        out: the bundle's folder, which must not be there yet.
        recipe: what to do; by default static INT8.
        labels: one label a class; overrides the recipe's.
        replace: whether a bundle at `out` gives way.
        progress: shows how far the work is.

    Raises:
        EdgekitError: the model, the data or the recipe cannot be used. Nothing is written then.
    """
    progress = progress or Silent()
    recipe = recipe or load_recipe(None)
    check_free(out, replace=replace)
    require_runnable(recipe.steps, where="recipe")
    source = load_onnx(model)
    labels = labels or recipe.labels
    known = read_labels(labels) if labels else ()
    adapted = adapt(
        source,
        open_data(data, labels=known),
        recipe,
        name=recipe.name or bundle_name(model.stem),
        labels=known,
        progress=progress,
    )
    return compress_trained(
        adapted.trained,
        adapted.samples,
        recipe,
        out=out,
        original=adapted.original,
        source=model.read_bytes(),
        replace=replace,
        progress=progress,
    )


def compress_trained(
    trained: TrainedModel,
    samples: Samples,
    recipe: Recipe,
    *,
    out: Path,
    original: Candidate | None = None,
    source: bytes | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> Compressed:
    """Quantises a trained model as the recipe says, measures it and writes a bundle.

    Args:
        trained: the float model in edgekit's terms.
        samples: to calibrate on and to measure with.
        recipe: what to do.
        out: the bundle's folder.
        original: what to measure against; by default the float model.
        source: the bytes of the file the model came from, if it came from one.
        replace: whether a bundle at `out` gives way.
        progress: shows how far the work is.

    Raises:
        EdgekitError: it cannot be done. Nothing is written then.
    """
    progress = progress or Silent()
    check_free(out, replace=replace)
    require_runnable(recipe.steps, where="recipe")
    float_bytes = ir.to_proto(trained.model).SerializeToString()
    reference = Candidate(OnnxRuntimeEngine(float_bytes), trained.input, trained.output)
    calibrated, held_out = samples.split(
        _calibration_size(recipe, samples), seed=recipe.calibrate.seed
    )
    tensors = [prepare(samples.data[int(index)], trained.input) for index in calibrated]
    artifact_bytes = _stepped(trained, tensors, recipe, progress)
    engine = OnnxRuntimeEngine(artifact_bytes)
    artifact = Candidate(engine, trained.input, trained.output)
    comparison = compare(
        original or reference,
        artifact,
        samples,
        held_out,
        original_bytes=len(source or float_bytes),
        artifact_bytes=len(artifact_bytes),
        described=_describer(trained),
        threshold=trained.thresholds.anomaly if trained.thresholds else None,
        progress=progress,
    )
    typical = [samples.data[int(index)] for index in calibrated]
    inputs = golden_inputs(trained.input, typical)
    files = {
        MODEL: artifact_bytes,
        GOLDEN: golden_file(inputs, reference.engine, [engine], trained.output.name),
    }
    if trained.labels:
        files[LABELS] = "".join(f"{label}\n" for label in trained.labels).encode()
    manifest = _manifest(trained, recipe, comparison, source=source or float_bytes)
    return _written(manifest, files, trained, comparison, out=out, replace=replace)


def _calibration_size(recipe: Recipe, samples: Samples) -> int:
    """As many as asked for, but where there are few, at most half: the others are measured."""
    return min(recipe.calibrate.samples, max(1, len(samples) // 2))


def _stepped(
    trained: TrainedModel, tensors: list[Array], recipe: Recipe, progress: Progress
) -> bytes:
    model = trained.model
    for step in recipe.steps:
        try:
            model = run_step(step, model, tensors, progress=progress)
        except UnsupportedModel as error:
            raise UnsupportedModel(f"{trained.name}: {name_of(step)}: {error}") from error
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto)
    serialized: bytes = proto.SerializeToString()
    return serialized


def _manifest(
    trained: TrainedModel, recipe: Recipe, comparison: Comparison, *, source: bytes
) -> Manifest:
    tools = ("numpy", "onnx", "onnx-ir", "onnxruntime", "onnxslim")
    return Manifest(
        schema=1,
        name=trained.name,
        version=recipe.version,
        task=trained.task,
        input=trained.input,
        output=trained.output,
        models={"onnxruntime": MODEL},
        files={},
        labels=LABELS if trained.labels else None,
        golden=GOLDEN,
        thresholds=trained.thresholds,
        requires=Requirements(
            opset=trained.model.opset_imports.get(""),
            engines={"onnxruntime": OnnxRuntimeEngine.version},
        ),
        measured=comparison.measured,
        provenance=Provenance(
            source_sha256=hashlib.sha256(source).hexdigest(),
            recipe=msgspec.to_builtins(recipe, enc_hook=str),
            tools={"edgekit": __version__, **{tool: version(tool) for tool in tools}},
        ),
    )


def _written(
    manifest: Manifest,
    files: dict[str, bytes],
    trained: TrainedModel,
    comparison: Comparison,
    *,
    out: Path,
    replace: bool,
) -> Compressed:
    report = Report.of(manifest, trained.facts, comparison)
    bundle = write_bundle(out, manifest, files=files, report=report_html(report), replace=replace)
    return Compressed(
        bundle, msgspec.structs.replace(report, archive_bytes=len(archive_bytes(bundle)))
    )


def _describer(trained: TrainedModel) -> Callable[[Array], str]:
    """What says an answer in words."""

    def described(answer: Array) -> str:
        if trained.task == "classification":
            best = int(answer.argmax())
            return f"{trained.labels[best]} ({answer[best]:.0%})"
        if trained.task == "anomaly":
            return f"score {answer[0]:.3g}"
        return np.array2string(answer[:4], precision=3)

    return described
