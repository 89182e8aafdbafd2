"""Takes a model all the way to a bundle: run the steps, measure, hold the gates, write."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import msgspec
import onnx

from edgekit import __version__
from edgekit.bundle import (
    Bundle,
    Manifest,
    Measurements,
    Provenance,
    Requirements,
    archive_bytes,
    check_free,
    write_bundle,
)
from edgekit.compress.adapt import adapt
from edgekit.compress.answers import Candidate
from edgekit.compress.data import Samples, open_data, read_labels
from edgekit.compress.gates import hurting_layers, missed_gates
from edgekit.compress.golden import golden_file, golden_inputs
from edgekit.compress.names import bundle_name
from edgekit.compress.progress import Progress, Silent
from edgekit.compress.recipe import Recipe, load_recipe
from edgekit.compress.report import Report, report_html, report_of, thumbnails
from edgekit.compress.report.document import FrontPoint
from edgekit.compress.running import serialized
from edgekit.compress.sensitivity import LayerSensitivity, sensitivities
from edgekit.compress.steps import require_runnable
from edgekit.compress.trained import TrainedModel
from edgekit.compress.variants import require_variants
from edgekit.compress.workbench import Made, Source, Workbench, set_up
from edgekit.errors import GateMissed
from edgekit.graph.load import load_onnx
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine

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
    input_shape: Sequence[int] | None = None,
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
        input_shape: for a model with dynamic axes, the shape its input is to have.
        replace: whether a bundle at `out` gives way.
        progress: shows how far the work is.

    Raises:
        GateMissed: the artifact does not hold the recipe's gates. The report is written beside
            `out`, and nothing else.
        EdgekitError: the model, the data or the recipe cannot be used. Nothing is written then.
    """
    progress = progress or Silent()
    recipe = recipe or load_recipe(None)
    check_free(out, replace=replace)
    started = perf_counter()
    bench = open_workbench(
        model, data=data, recipe=recipe, labels=labels, input_shape=input_shape, progress=progress
    )
    made = bench.make(recipe, progress=progress)
    return finish(bench, made, out=out, replace=replace, started=started, progress=progress)


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
    """Does a recipe's steps to a trained model, measures it and writes a bundle.

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
        GateMissed: the artifact does not hold the recipe's gates. The report is written beside
            `out`, and nothing else.
        EdgekitError: it cannot be done. Nothing is written then.
    """
    progress = progress or Silent()
    check_free(out, replace=replace)
    require_runnable(recipe.steps, where="recipe")
    started = perf_counter()
    bench = set_up(
        trained,
        samples,
        recipe,
        original=original,
        source=None if source is None else Source.of(source),
        progress=progress,
    )
    made = bench.make(recipe, progress=progress)
    return finish(bench, made, out=out, replace=replace, started=started, progress=progress)


def open_workbench(
    model: Path,
    *,
    data: Path,
    recipe: Recipe,
    labels: Path | None = None,
    input_shape: Sequence[int] | None = None,
    progress: Progress,
) -> Workbench:
    """A model file and its data, ready for recipes to be tried on them: see `compress_model`."""
    require_runnable(recipe.steps, where="recipe")
    require_variants(recipe, where="recipe")
    source = load_onnx(model)
    labels = labels or recipe.labels
    known = read_labels(labels) if labels else ()
    adapted = adapt(
        source,
        open_data(data, labels=known),
        recipe,
        name=recipe.name or bundle_name(model.stem),
        labels=known,
        file=model,
        input_shape=input_shape,
        progress=progress,
    )
    size = _size_of(source, model)
    del source
    return set_up(
        adapted.trained,
        adapted.samples,
        recipe,
        original=adapted.original,
        source=Source.of_file(model, size_bytes=size),
        progress=progress,
    )


def _size_of(source: onnx.ModelProto, path: Path) -> int:
    """The file's size, and that of the files beside it in which it keeps its weights."""
    beside = sum(
        int(entry.value)
        for tensor in source.graph.initializer
        for entry in tensor.external_data
        if entry.key == "length"
    )
    in_memory: int = source.ByteSize()
    return max(path.stat().st_size, in_memory) + beside


def finish(
    bench: Workbench,
    made: Made,
    *,
    out: Path,
    replace: bool,
    started: float,
    layers: Sequence[LayerSensitivity] | None = None,
    front: Sequence[FrontPoint] = (),
    progress: Progress,
) -> Compressed:
    """Holds the gates and writes the bundle with its report.

    Args:
        bench: what it was made on.
        made: the artifact.
        out: the bundle's folder.
        replace: whether a bundle at `out` gives way.
        started: `perf_counter` when the work began.
        layers: how much each matters, where that is known already.
        front: what a search found, for the report.
        progress: shows how far this is.

    Raises:
        GateMissed: the artifact does not hold the recipe's gates.
    """
    if layers is None and made.recipe.steps:
        layers = sensitivities(bench.trained.model, bench.tensors, progress=progress)
    misses = missed_gates(made.recipe.gates, made.comparison.artifacts)
    manifest = _manifest(bench, made)
    report = report_of(
        manifest, bench, made, sensitivity=layers or (), front=front, misses=misses, started=started
    )
    page = report_html(report, thumbnails(report, bench.known.samples))
    if misses:
        beside = out.with_name(f"{out.name}.report.html")
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(page, encoding="utf-8")
        lines = [miss.text for miss in misses]
        hurting = hurting_layers(layers or ())
        raise GateMissed(
            [*lines, *([hurting] if hurting else []), f"nothing was written but {beside}"],
            report=report,
        )
    files = {form.file: form.data for form in made.forms}
    files |= {variant.form.file: variant.form.data for variant in made.variants}
    files |= {f"train/{name}": data for name, data in bench.trained.training.items()}
    files[GOLDEN] = _golden(bench, made)
    if bench.trained.labels:
        files[LABELS] = "".join(f"{label}\n" for label in bench.trained.labels).encode()
    bundle = write_bundle(out, manifest, files=files, report=page, replace=replace)
    size = len(archive_bytes(bundle))
    return Compressed(bundle, msgspec.structs.replace(report, archive_bytes=size))


def _golden(bench: Workbench, made: Made) -> bytes:
    trained = bench.trained
    inputs = golden_inputs(trained.input, bench.typical)
    reference = OnnxRuntimeEngine(serialized(trained.model))
    engines = [form.engine for form in made.forms]
    others = {variant.golden_name: variant.form.engine for variant in made.variants}
    return golden_file(inputs, reference, engines, trained.output.name, others=others)


def _manifest(bench: Workbench, made: Made) -> Manifest:
    trained, comparison = bench.trained, made.comparison
    tools = ("numpy", "onnx", "onnx-ir", "onnxruntime")
    first, *others = comparison.artifacts
    return Manifest(
        schema=1,
        name=trained.name,
        version=made.recipe.version,
        task=trained.task,
        input=trained.input,
        output=trained.output,
        models={form.engine.name: form.file for form in made.forms},
        files={},
        labels=LABELS if trained.labels else None,
        golden=GOLDEN,
        thresholds=trained.thresholds,
        requires=Requirements(
            opset=made.model.opset_imports.get(""),
            engines={form.engine.name: form.engine.version for form in made.forms},
        ),
        measured=Measurements(
            original=comparison.original,
            artifact=first.measured,
            others={other.engine: other.measured for other in others},
        ),
        provenance=Provenance(
            source_sha256=bench.source_sha256,
            recipe=msgspec.to_builtins(made.recipe, enc_hook=str),
            tools={"edgekit": __version__, **{tool: version(tool) for tool in tools}},
        ),
        variants=tuple(variant.entry() for variant in made.variants),
    )
