"""Wraps a finished model into a bundle, without changing a byte of it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgekit import __version__
from edgekit.array import Array
from edgekit.bundle import (
    Bundle,
    InputSpec,
    Manifest,
    OutputSpec,
    Provenance,
    Requirements,
    Thresholds,
    check_free,
    write_bundle,
)
from edgekit.bundle.manifest import Task
from edgekit.compress.conventions import picture_rule
from edgekit.compress.data import read_labels
from edgekit.compress.golden import golden_file, golden_inputs
from edgekit.compress.names import bundle_name
from edgekit.compress.recipe import InputRecipe, Recipe, load_recipe
from edgekit.compress.signature import fixed_shape, input_spec, output_spec
from edgekit.errors import InputError, UnsupportedModel
from edgekit.runtime.engine import Engine, TensorInfo, engine_for, open_engine

_RAW_PIXELS = InputRecipe(convention="raw")


def pack_model(
    model: Path,
    *,
    task: Task,
    out: Path,
    labels: Path | None = None,
    threshold: float | None = None,
    recipe: Recipe | None = None,
    replace: bool = False,
) -> Bundle:
    """Writes a bundle around an `.onnx` or `.tflite` file.

    What the model takes and gives is read from the file: a classifier's output counts as
    probabilities where it is, else as logits; an anomaly model's as a score where it is one
    number, else as a reconstruction of its input.

    Args:
        model: the file; it goes into the bundle as it is.
        task: what the model is for.
        out: the bundle's folder.
        labels: one a class, for a classifier.
        threshold: the score above which a sample is anomalous, for an anomaly model.
        recipe: name, version, labels, and how pictures become the input; raw pixels by default.
        replace: whether a bundle at `out` gives way.

    Raises:
        EdgekitError: the file or what was said of it cannot be used. Nothing is written then.
    """
    check_free(out, replace=replace)
    recipe = recipe or load_recipe(None)
    name = engine_for(model)
    engine = open_engine(name, model)
    if len(engine.inputs) != 1:
        raise UnsupportedModel(f"{model}: has {len(engine.inputs)} inputs, not one")
    if task == "anomaly" and threshold is None:
        raise InputError(f"{model}: an anomaly model needs a threshold; say --threshold")
    spec = _input(engine.inputs[0], task, recipe, where=str(model))
    inputs = golden_inputs(spec, ())
    output = output_spec(engine, task, inputs, spec, where=str(model))
    labels = labels or recipe.labels
    known = read_labels(labels) if labels else ()
    if known:
        _require_labels_fit(known, engine, inputs, output)
    files = {
        f"model{model.suffix.lower()}": model.read_bytes(),
        "golden.npz": golden_file(inputs, None, [engine], output.name),
    }
    if known:
        files["labels.txt"] = "".join(f"{label}\n" for label in known).encode()
    manifest = Manifest(
        schema=1,
        name=recipe.name or bundle_name(model.stem),
        version=recipe.version,
        task=task,
        input=spec,
        output=output,
        models={name: f"model{model.suffix.lower()}"},
        files={},
        labels="labels.txt" if known else None,
        golden="golden.npz",
        thresholds=None if threshold is None else Thresholds(anomaly=threshold),
        requires=Requirements(engines={name: engine.version}),
        provenance=Provenance(
            source_sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
            recipe=msgspec.to_builtins(recipe, enc_hook=str),
            tools={"edgekit": __version__},
        ),
    )
    return write_bundle(out, manifest, files=files, replace=replace)


def _input(info: TensorInfo, task: Task, recipe: Recipe, *, where: str) -> InputSpec:
    """What the file says it takes; pictures as the recipe says, else raw pixels."""
    shape = fixed_shape(info, where=where)
    is_picture = (
        task == "classification" and len(shape) == 4 and bool({1, 3} & {shape[1], shape[3]})
    )
    how = recipe.input if recipe.input.says_how else _RAW_PIXELS
    picture = picture_rule(how, shape, where="recipe") if is_picture else None
    return input_spec(info, picture=picture, where=where)


def _require_labels_fit(
    labels: Sequence[str], engine: Engine, inputs: Array, output: OutputSpec
) -> None:
    classes = engine.run(inputs[0])[output.name].size
    if len(labels) != classes:
        raise InputError(f"{len(labels)} labels were given, the model has {classes} classes")
