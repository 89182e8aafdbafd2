"""Finds out what a model takes and gives, and feeds it with the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnx_ir as ir

from edgekit.bundle import InputSpec, OutputSpec
from edgekit.bundle.manifest import OutputKind, Task
from edgekit.compress.answers import Candidate
from edgekit.compress.conventions import find_convention, picture_rule
from edgekit.compress.data import PictureFolder, Samples
from edgekit.compress.dormant import DormantEngine
from edgekit.compress.progress import Progress
from edgekit.compress.recipe import InputRecipe, Recipe
from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.head import count_classes, ends_in_probabilities
from edgekit.graph.load import canonical
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine


@dataclass(frozen=True)
class Fed:
    """A model beside the data it is for.

    Attributes:
        model: the model in canonical form, with the signature it came with.
        original: the model as it came, as ONNX Runtime runs it.
        task: what it is for.
        samples: the data, as the model takes it.
    """

    model: ir.Model
    original: Candidate
    task: Task
    samples: Samples


def feed(
    source: onnx.ModelProto,
    data: PictureFolder | Samples,
    recipe: Recipe,
    *,
    where: str,
    file: Path | None = None,
    input_shape: Sequence[int] | None = None,
    progress: Progress,
) -> Fed:
    """Brings a model and its data together.

    Args:
        source: the model as it came.
        data: what it is for.
        recipe: what is known of it: its task, and how pictures become its input.
        where: what to call it in an error.
        file: where it came from; it is run from there, rather than from a copy in memory.
        input_shape: for a model with dynamic axes, the shape its input is to have.
        progress: hears what had to be found out.

    Raises:
        UnsupportedModel: the model has several inputs, or cannot be brought to canonical form.
        InputError: the data does not fit the model.
        ConfigError: the recipe and the model contradict each other.
    """
    model = _canonical(source, where=where, input_shape=input_shape)
    if len(model.graph.inputs) != 1:
        raise UnsupportedModel(f"{where}: has {len(model.graph.inputs)} inputs, not one")
    task = recipe.task or ("classification" if count_classes(model) else "raw")
    original = _as_it_came(source, model, task, file)
    if isinstance(data, PictureFolder):
        original = fed_with_pictures(original, data, recipe.input, progress=progress)
        assert original.input.picture is not None
        return Fed(model, original, task, data.samples(original.input.picture))
    require_fitting_shape(data, original)
    return Fed(model, original, task, data)


def fed_with_pictures(
    original: Candidate, data: PictureFolder, recipe: InputRecipe, *, progress: Progress
) -> Candidate:
    """The same model with a rule that turns pictures into its input.

    Raises:
        InputError: it takes no pictures.
        ConfigError: the recipe and the model contradict each other.
    """
    spec = original.input
    if len(spec.shape) != 4 or not {1, 3} & {spec.shape[1], spec.shape[3]}:
        raise InputError(f"pictures were given, but the model takes {list(spec.shape)}")

    def fed_by(recipe: InputRecipe) -> Candidate:
        rule = picture_rule(recipe, spec.shape, where="recipe")
        taking = InputSpec(
            name=spec.name,
            dtype=spec.dtype,
            shape=spec.shape,
            picture=rule,
            quantization=spec.quantization,
        )
        return Candidate(original.engine, taking, original.output)

    if spec.dtype == "uint8" and not recipe.says_how:  # its graph scales pixels by itself
        recipe = msgspec.structs.replace(recipe, convention="raw")
    if not recipe.says_how:
        recipe = find_convention(fed_by, data, recipe, progress=progress)
    return fed_by(recipe)


def require_fitting_shape(samples: Samples, candidate: Candidate) -> None:
    """Refuses arrays that cannot be a model's input.

    Raises:
        InputError: says both shapes.
    """
    shape, wanted = samples.data[0].shape, candidate.input.shape
    if samples.data[0].size != np.prod(wanted):
        raise InputError(f"the samples have shape {list(shape)}, the model takes {list(wanted)}")


def _canonical(
    source: onnx.ModelProto, *, where: str, input_shape: Sequence[int] | None
) -> ir.Model:
    if input_shape is None:
        return canonical(source, where=where)
    return canonical(source, where=where, input_shape=tuple(input_shape))


def _as_it_came(
    source: onnx.ModelProto, model: ir.Model, task: Task, file: Path | None
) -> Candidate:
    engine = DormantEngine(
        lambda: OnnxRuntimeEngine(source.SerializeToString() if file is None else file)
    )
    kind: OutputKind = "raw"
    if task == "classification":
        kind = "scores" if ends_in_probabilities(model) else "logits"
    shape = tuple(int(axis) for axis in model.graph.inputs[0].shape or ())  # type: ignore[arg-type]
    return Candidate(
        engine,
        InputSpec(name=engine.inputs[0].name, dtype=engine.inputs[0].dtype, shape=shape),  # type: ignore[arg-type]
        OutputSpec(name=engine.outputs[0].name, kind=kind),
    )
