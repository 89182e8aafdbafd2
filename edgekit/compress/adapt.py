"""From a model file and some samples to a trained model that edgekit can compress."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgekit.bundle import InputSpec, OutputSpec, PictureRule
from edgekit.bundle.manifest import Task
from edgekit.compress.answers import Candidate
from edgekit.compress.data import PictureFolder, Samples
from edgekit.compress.feeding import feed
from edgekit.compress.progress import Progress
from edgekit.compress.recipe import Recipe
from edgekit.compress.trained import TrainedModel
from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.head import OUTPUT, count_classes, make_scores_head
from edgekit.graph.preprocessing import INPUT, fold_preprocessing
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine

_COMPARED_SAMPLES = 8
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Adapted:
    """A model in edgekit's terms, beside what it was.

    Attributes:
        trained: the model with its preprocessing and head in the graph.
        original: the model as it came, fed as the recipe says.
        samples: the data, as both take it.
    """

    trained: TrainedModel
    original: Candidate
    samples: Samples


def adapt(
    source: onnx.ModelProto,
    data: PictureFolder | Samples,
    recipe: Recipe,
    *,
    name: str,
    labels: Sequence[str],
    file: Path | None = None,
    input_shape: Sequence[int] | None = None,
    progress: Progress,
) -> Adapted:
    """Puts preprocessing and head into the graph, and checks that no answer changed.

    Args:
        source: the model as it came.
        data: what it is for.
        recipe: what is known of it.
        name: what to call it, in the bundle and in errors.
        labels: one a class, or none.
        file: where it came from; it is run from there, rather than from a copy in memory.
        input_shape: for a model with dynamic axes, the shape its input is to have.
        progress: hears what had to be found out.

    Raises:
        UnsupportedModel: the model does not fit the data or the task.
        InputError: the data does not fit the model.
        ConfigError: the recipe and the model contradict each other.
    """
    fed = feed(
        source, data, recipe, where=name, file=file, input_shape=input_shape, progress=progress
    )
    model, original, task, samples = fed.model, fed.original, fed.task, fed.samples
    if task == "anomaly":
        raise UnsupportedModel(
            f"{name}: the threshold of an anomaly model is not in its file; use edgekit build, or "
            "edgekit pack --threshold"
        )
    trained = TrainedModel(
        name=name,
        model=model,
        task=task,
        input=_plain_input(model, original.input),
        output=_plain_output(model, task),
        labels=_labels(labels, data, model) if task == "classification" else (),
        facts={} if original.input.picture is None else _described(original.input.picture),
    )
    RemoveUnusedNodesPass()(model)
    _require_same_answers(trained, original, samples)
    return Adapted(trained, original, samples)


def _plain_input(model: ir.Model, spec: InputSpec) -> InputSpec:
    if spec.picture is None or (spec.dtype == "uint8" and spec.picture.is_plain):
        return spec
    fold_preprocessing(model, spec.picture)
    return pixels_of(spec.picture)


def pixels_of(rule: PictureRule) -> InputSpec:
    """The input of a model that takes pictures of a rule's size as they are, in uint8."""
    plain = PictureRule(
        height=rule.height,
        width=rule.width,
        fit=rule.fit,
        resize_shorter=rule.resize_shorter,
        pad=rule.pad,
    )
    return InputSpec(name=INPUT, dtype="uint8", shape=plain.tensor_shape(), picture=plain)


def _plain_output(model: ir.Model, task: Task) -> OutputSpec:
    if task == "raw":
        return OutputSpec(name=str(model.graph.outputs[0].name), kind="raw")
    make_scores_head(model)
    return OutputSpec(name=OUTPUT, kind="scores")


def _labels(
    labels: Sequence[str], data: PictureFolder | Samples, model: ir.Model
) -> tuple[str, ...]:
    """One label a class: as given, else as the data names them, else a number."""
    classes = count_classes(model) or 0
    if labels and len(labels) != classes:
        raise InputError(f"{len(labels)} labels were given, the model has {classes} classes")
    known = data.known_labels if isinstance(data, PictureFolder) else {}
    if data.targets is not None and data.targets.max() >= classes:
        raise InputError(f"the data has class {data.targets.max()}, the model {classes} classes")
    return tuple(labels) or tuple(
        known.get(index, f"class {index}").replace("\n", " ") for index in range(classes)
    )


def _require_same_answers(trained: TrainedModel, original: Candidate, samples: Samples) -> None:
    """Rewriting must not change what the model says: a difference is edgekit's fault."""
    proto = ir.to_proto(trained.model)
    rewritten = Candidate(
        OnnxRuntimeEngine(proto.SerializeToString()), trained.input, trained.output
    )
    for index in range(min(_COMPARED_SAMPLES, len(samples))):
        sample = samples.data[index]
        before, after = original.answer(sample), rewritten.answer(sample)
        error = float(np.max(np.abs(after - before)) / max(1.0, float(np.max(np.abs(before)))))
        if not error <= _TOLERANCE:
            raise UnsupportedModel(
                f"{trained.name}: folding changed its answer to {samples.names[index]} by "
                f"{error:.2g}; please report this model"
            )


def _described(rule: PictureRule) -> dict[str, str | float]:
    mean = ", ".join(f"{value:g}" for value in rule.mean)
    std = ", ".join(f"{value:g}" for value in rule.std)
    size = f"{rule.height} x {rule.width}"
    cut = f" from a shorter side of {rule.resize_shorter}" if rule.resize_shorter else ""
    return {
        "input": f"{size}, {rule.fit}{cut}, {rule.channels}, minus ({mean}), over ({std})",
    }
