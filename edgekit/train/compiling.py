"""Compiles a model, a loss and an optimiser into one graph that is a step of training."""

from collections.abc import Container, Sequence

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import TopologicalSortPass

from edgekit.array import Array
from edgekit.autodiff import gradients, in_training
from edgekit.graph.edit import prune_unused, unique_name
from edgekit.graph.match import is_op
from edgekit.graph.shapes import infer_shapes
from edgekit.learning.specs import LOSS, LOSSES, RATE, TensorSpec
from edgekit.train.batching import with_batch
from edgekit.train.building import StepBuilder, spec_of
from edgekit.train.losses import Loss
from edgekit.train.losses.cross_entropy import TARGET
from edgekit.train.losses.distillation import TEACHER
from edgekit.train.optimizers.optimizer import Optimizer
from edgekit.train.step import Step
from edgekit.train.trainable import parameters_of, statistics_of, untie_vectors

COUNTER = "step_number"
"""The state that Dropout draws by, int64 `[]`."""


def compile_step(
    model: ir.Model,
    loss: Loss,
    optimizer: Optimizer,
    *,
    rows: int,
    trainable: Sequence[str] | None = None,
    seed: int = 0,
) -> Step:
    """A whole step of training, forward, loss, backward and optimiser, of standard operators.

    Dropout drops in the step and not in the evaluation. A BatchNormalization that is trained
    normalises by the batch in the step, and by its running averages in the evaluation; any other
    does so by its averages in both, which stay.

    Args:
        model: with float32 parameters and a batch of 1 or a dynamic one; the loss judges its
            first output. Left as it is.
        loss: what is to become small.
        optimizer: how the parameters follow the gradient.
        rows: how many rows each batch has.
        trainable: names of parameters, or patterns such as `head.*`, to train; the others stay
            constants and cost no backward. `None` trains every weight and bias.
        seed: of Dropout.

    Raises:
        InputError: a name or pattern finds no parameter.
        UnsupportedModel: the model cannot be batched, judged by this loss, or differentiated.
    """
    model = model.clone()
    _give_way(model)
    untie_vectors(model)
    whole = with_batch(model, rows)
    learning = _first_output_of(whole)
    trained = parameters_of(learning, trainable)
    names = [str(value.name) for value in trained]
    statistics = statistics_of(learning, trained)
    learning = _in_training(learning, statistics, seed)
    parameters = _as_inputs(whole, [*names, *statistics])
    _as_inputs(learning, [*names, *statistics])
    batch = _judged(whole, loss, parameters)
    whole.graph.outputs.insert(0, _value(whole, LOSSES))
    _judged(learning, loss, parameters)
    learning.graph.outputs[0] = _value(learning, LOSS)
    prune_unused(learning)
    result = gradients(learning, LOSS, names)
    state = _optimized(result, optimizer, names, statistics)
    given = [spec.name for spec in batch]
    _finish(result, [*given, RATE, *parameters, *(spec.name for spec in state)])
    _finish(whole, [*given, *parameters])
    return Step(model, result, whole, batch, parameters, state, rows)


def _give_way(model: ir.Model) -> None:
    """Renames what the model computes under a name that a step needs."""
    for node in model.graph:
        for value in node.outputs:
            if value.name in (LOSS, LOSSES, RATE, COUNTER, TARGET, TEACHER):
                value.name = unique_name(model, f"model_{value.name}")


def _first_output_of(model: ir.Model) -> ir.Model:
    """A copy with only what the first output depends on."""
    model = model.clone()
    model.graph.outputs[1:] = []
    prune_unused(model)
    return model


def _in_training(model: ir.Model, statistics: Container[str], seed: int) -> ir.Model:
    """The model as it computes while it learns, with new statistics as outputs."""
    frozen = set()
    is_changed = False
    for number, node in enumerate(model.graph):
        if is_op(node, "BatchNormalization") and not any(
            value is not None and value.name in statistics for value in node.inputs[3:5]
        ):
            node.name = node.name or f"frozen_{number}"
            frozen.add(node.name)
        elif is_op(node, "BatchNormalization", "Dropout"):
            is_changed = True
    return in_training(model, step=COUNTER, seed=seed, frozen=frozen) if is_changed else model


def _as_inputs(model: ir.Model, names: Sequence[str]) -> dict[str, Array]:
    """Makes initialisers inputs: what is no constant, no pass and no engine folds."""
    found = {}
    for name in names:
        value = model.graph.initializers.pop(name)
        assert value.const_value is not None
        found[name] = np.array(value.const_value.numpy())
        value.const_value = None
        model.graph.inputs.append(value)
    return found


def _judged(model: ir.Model, loss: Loss, parameters: Container[str]) -> tuple[TensorSpec, ...]:
    """Appends the loss, as values that are no outputs yet; what a batch brings."""
    build = StepBuilder(model, "loss")
    inputs = [
        value
        for value in model.graph.inputs
        if value.name not in parameters and value.name != COUNTER
    ]
    losses = loss.of_each(build, model.graph.outputs[0], inputs)
    mean = build.op("ReduceMean", losses, keepdims=0)
    losses.name, mean.name = LOSSES, LOSS
    infer_shapes(model)
    return (*map(spec_of, inputs), *build.batch)


def _optimized(
    model: ir.Model, optimizer: Optimizer, names: Sequence[str], statistics: Sequence[str]
) -> tuple[TensorSpec, ...]:
    """Appends the optimiser; the outputs become the loss and what the next step takes."""
    graph = model.graph
    found = {str(value.name): value for value in graph.outputs}
    inputs = {str(value.name): value for value in graph.inputs}
    graph.outputs[:] = [found[LOSS]]
    build = StepBuilder(model, "optimizer")
    rate = build.input(TensorSpec(RATE, "float32", ()))
    weights = [inputs[name] for name in names]
    slopes = [found[f"grad({name})"] for name in names]
    moved = optimizer.following(build, weights, slopes, rate)
    for value, following in zip(weights, moved, strict=True):
        build.carry(value, following)
    for name in statistics:
        build.carry(inputs[name], found[f"new({name})"])
    if COUNTER not in inputs:
        return tuple(build.state)
    build.carry(inputs[COUNTER], build.op("Add", inputs[COUNTER], np.array(1)))
    return (*build.state, spec_of(inputs[COUNTER]))


def _finish(model: ir.Model, order: Sequence[str]) -> None:
    """Puts the inputs and the nodes in order."""
    graph = model.graph
    inputs = {str(value.name): value for value in graph.inputs}
    graph.inputs[:] = [inputs[name] for name in order]
    prune_unused(model)
    TopologicalSortPass()(model)


def _value(model: ir.Model, name: str) -> ir.Value:
    return ir.convenience.create_value_mapping(model.graph)[name]
