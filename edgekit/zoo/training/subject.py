"""A model and its data, brought together and ready to train."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.bundle import InputSpec, OutputSpec, PictureRule
from edgekit.bundle.manifest import Task
from edgekit.compress.adapt import pixels_of
from edgekit.compress.conventions import picture_rule
from edgekit.compress.trained import TrainedModel
from edgekit.errors import InputError
from edgekit.graph.head import count_classes, make_scores_head
from edgekit.graph.load import canonical, load_onnx
from edgekit.graph.preprocessing import fold_preprocessing
from edgekit.train import Step, compile_step
from edgekit.train.losses import CrossEntropy, Focal
from edgekit.train.losses.cross_entropy import TARGET
from edgekit.train.trainable import parameters_of, untie_vectors
from edgekit.zoo.training.material import Material
from edgekit.zoo.training.models import Facts, Untrained
from edgekit.zoo.training.plan import Plan
from edgekit.zoo.training.recipe import TrainingRecipe


@dataclass(frozen=True)
class Subject:
    """What is trained.

    A model of pictures is trained on uint8 pixels: what scales them are nodes of the step's graph,
    and go into the first Conv's weights when the training is over.

    Attributes:
        untrained: the model as it came.
        input: what the step and the trained model take.
        step: one step of training.
    """

    untrained: Untrained
    input: InputSpec
    step: Step

    @property
    def needs_targets(self) -> bool:
        """Whether a batch brings targets."""
        return any(spec.name == TARGET for spec in self.step.batch)

    def trained(
        self, parameters: dict[str, Array], *, name: str, labels: tuple[str, ...]
    ) -> TrainedModel:
        """The model with these parameters, in the form that compression begins with."""
        model = self.untrained.model.clone()
        for key, array in parameters.items():
            model.graph.initializers[key].const_value = ir.tensor(array, name=key)
        if self.untrained.input.picture is not None:
            fold_preprocessing(model, self.untrained.input.picture)
        return TrainedModel(
            name=name,
            model=canonical(ir.to_proto(model), where=name),
            task=self.untrained.task,
            input=self.input,
            output=self.untrained.output,
            labels=_for_all(labels, count_classes(model) or 0)
            if self.untrained.task == "classification"
            else (),
        )


def subject_of(
    recipe: TrainingRecipe, plan: Plan, material: Material, numbers: Array, *, where: str
) -> Subject:
    """Makes or loads the model, and compiles its step.

    Args:
        recipe: the recipe.
        plan: what its names stand for.
        material: the data.
        numbers: which samples scales are read from.
        where: what to call the recipe in an error.

    Raises:
        InputError: the model does not go with the data.
        UnsupportedModel: the model cannot be trained, or not by this loss.
    """
    facts = material.facts(numbers, seed=recipe.seed)
    if plan.model is not None:
        untrained = plan.model(facts)
    else:
        untrained = _from_file(recipe, plan, facts, where=where)
    untie_vectors(untrained.model)
    learning = [str(value.name) for value in parameters_of(untrained.model, recipe.trainable)]
    model, spec = untrained.model, untrained.input
    if spec.picture is not None:
        model, spec = _with_pixels(model, spec.picture)
    step = compile_step(
        model,
        plan.loss,
        plan.optimizer,
        rows=recipe.rows,
        trainable=learning,  # by name: the pixels' scale is not one of them
        seed=recipe.seed,
    )
    return Subject(untrained, spec, step)


def _with_pixels(model: ir.Model, rule: PictureRule) -> tuple[ir.Model, InputSpec]:
    model = model.clone()
    fold_preprocessing(model, rule, into_conv=False)
    return model, pixels_of(rule)


def _from_file(recipe: TrainingRecipe, plan: Plan, facts: Facts, *, where: str) -> Untrained:
    assert plan.file is not None
    model = canonical(load_onnx(plan.file), where=str(plan.file))
    if len(model.graph.inputs) != 1:
        raise InputError(f"{plan.file}: has {len(model.graph.inputs)} inputs, not one")
    task: Task = "raw"
    if isinstance(plan.loss, CrossEntropy | Focal) and count_classes(model):
        task = "classification"
        make_scores_head(model)
    given = model.graph.inputs[0]
    assert given.dtype is not None
    shape = tuple(int(axis) for axis in given.shape or ())  # type: ignore[arg-type]
    rule = None
    if facts.shape is None:
        if len(shape) != 4 or not {1, 3} & {shape[1], shape[3]}:
            raise InputError(f"pictures were given, but {plan.file} takes {list(shape)}")
        rule = picture_rule(recipe.input, shape, where=where)
    elif facts.shape != shape[1:]:
        raise InputError(
            f"the data gives {list(facts.shape)} a sample, but {plan.file} takes {list(shape[1:])}"
        )
    spec = InputSpec(
        name=str(given.name),
        dtype=str(np.dtype(given.dtype.numpy())),  # type: ignore[arg-type]
        shape=shape,
        picture=rule,
        window=facts.window,
    )
    kind = "scores" if task == "classification" else "raw"
    output = OutputSpec(name=str(model.graph.outputs[0].name), kind=kind)  # type: ignore[arg-type]
    return Untrained(model, spec, output, task)


def _for_all(labels: tuple[str, ...], classes: int) -> tuple[str, ...]:
    """One label a class: a model from a file may know more of them than the data."""
    return labels + tuple(f"class {number}" for number in range(len(labels), classes))
