"""Compiles a model, a loss and an optimiser into one graph that is a step of training."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import TopologicalSortPass

from edgekit.array import Array
from edgekit.autodiff import gradients
from edgekit.graph.edit import prune_unused
from edgekit.graph.shapes import infer_shapes
from edgekit.train.batching import with_batch
from edgekit.train.building import StepBuilder, TensorSpec, spec_of
from edgekit.train.losses.loss import Loss
from edgekit.train.optimizers.optimizer import Optimizer
from edgekit.train.step import LOSS, LOSSES, RATE, Step
from edgekit.train.trainable import parameters_of, untie_vectors


def compile_step(
    model: ir.Model,
    loss: Loss,
    optimizer: Optimizer,
    *,
    rows: int,
    trainable: Sequence[str] | None = None,
) -> Step:
    """A whole step of training, forward, loss, backward and optimiser, of standard operators.

    Args:
        model: with one output that the loss judges; its batch is 1 or dynamic. Left as it is.
        loss: what is to become small.
        optimizer: how the parameters follow the gradient.
        rows: how many rows each batch has.
        trainable: names of parameters, or patterns such as `head.*`, to train; the others stay
            constants and cost no backward. `None` trains every weight and bias.

    Raises:
        InputError: a name or pattern finds no parameter.
        UnsupportedModel: the model cannot be batched, judged by this loss, or differentiated.
    """
    model = model.clone()
    untie_vectors(model)
    graph_model = with_batch(model, rows)
    graph = graph_model.graph
    outputs = list(graph.outputs)
    parameters = _as_inputs(graph_model, parameters_of(graph_model, trainable))

    build = StepBuilder(graph_model, "loss")
    inputs = [value for value in build.inputs if value.name not in parameters]
    losses = loss.of_each(build, outputs[0], inputs)
    mean = build.op("ReduceMean", losses, keepdims=0)
    losses.name, mean.name = LOSSES, LOSS
    infer_shapes(graph_model)
    batch = (*map(spec_of, inputs), *build.batch)
    evaluate = _evaluation(graph_model, losses)

    graph.outputs[:] = [mean]
    prune_unused(graph_model)
    result = gradients(graph_model, LOSS, list(parameters))
    state = _optimized(result, optimizer, list(parameters))
    order = [*(spec.name for spec in batch), RATE, *parameters, *(spec.name for spec in state)]
    _finish(result, order)
    _finish(evaluate, [*(spec.name for spec in batch), *parameters])
    return Step(model, result, evaluate, batch, parameters, state, rows)


def _as_inputs(model: ir.Model, values: Sequence[ir.Value]) -> dict[str, Array]:
    """Makes initialisers inputs: what is no constant, no pass and no engine folds."""
    found = {}
    for value in values:
        assert value.const_value is not None
        found[str(value.name)] = np.array(value.const_value.numpy())
        model.graph.initializers.pop(str(value.name))
        value.const_value = None
        model.graph.inputs.append(value)
    return found


def _evaluation(model: ir.Model, losses: ir.Value) -> ir.Model:
    evaluate = model.clone()
    values = ir.convenience.create_value_mapping(evaluate.graph)
    evaluate.graph.outputs.insert(0, values[LOSSES])
    prune_unused(evaluate)
    return evaluate


def _optimized(
    model: ir.Model, optimizer: Optimizer, names: Sequence[str]
) -> tuple[TensorSpec, ...]:
    """Appends the optimiser, and turns the gradients' outputs into those of the parameters."""
    graph = model.graph
    found = {str(value.name): value for value in graph.outputs}
    inputs = {str(value.name): value for value in graph.inputs}
    graph.outputs[:] = [found[LOSS]]
    build = StepBuilder(model, "optimizer")
    rate = build.input(TensorSpec(RATE, "float32", ()))
    weights = [inputs[name] for name in names]
    slopes = [found[f"grad({name})"] for name in names]
    for value, following in zip(
        weights, optimizer.following(build, weights, slopes, rate), strict=True
    ):
        build.carry(value, following)
    return tuple(build.state)


def _finish(model: ir.Model, order: Sequence[str]) -> None:
    """Puts the inputs and the nodes in order."""
    graph = model.graph
    inputs = {str(value.name): value for value in graph.inputs}
    graph.inputs[:] = [inputs[name] for name in order]
    prune_unused(model)
    TopologicalSortPass()(model)
