"""Trains a small net where it stands: gradients in NumPy, then exact statistics."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.match import is_op
from edgekit.zoo.mlperf_tiny.gradients import RULES, Backward

_STATISTICS = 256
"""How many samples the statistics at the end are of."""
_SMOOTHING = 0.1
_FIRST_MOMENT, _SECOND_MOMENT = 0.9, 0.99
_WARM_UP = 0.2


def train(
    model: ir.Model,
    samples: Array,
    targets: Array,
    *,
    epochs: float = 1,
    batch: int = 16,
    rate: float = 5e-3,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Changes the weights of a net so that it gives the targets.

    Adam (Kingma and Ba, 2015, arXiv:1412.6980) with one warm-up and cosine decay; cross-entropy
    with smoothed labels (Szegedy et al., 2016, arXiv:1512.00567) for classes, else mean squared
    error. The statistics of each BatchNormalization are those of the training samples at the end.

    Args:
        model: of the operators of `gradients.RULES`, and a Softmax at the end for classes.
        samples: float32 `[N, ...]`, as the model takes them but for the batch.
        targets: int64 `[N]` classes, or float32 `[N, outputs]`.
        epochs: passes over the samples; need not be whole.
        batch: samples a step.
        rate: the highest learning rate.
        seed: of the order.
        progress: called with steps done and all.
    """
    rng = np.random.default_rng(seed)
    weights = _learned(model)
    moments = {name: (np.zeros_like(a), np.zeros_like(a)) for name, a in weights.items()}
    steps = round(epochs * len(samples) / batch)
    order = np.concatenate([rng.permutation(len(samples)) for _ in range(int(epochs) + 1)])
    for step in range(steps):
        chosen = order[step * batch : (step + 1) * batch]
        gradients = _gradients(model, weights, samples[chosen], targets[chosen])
        for name, gradient in gradients.items():
            first, second = moments[name]
            first += (1 - _FIRST_MOMENT) * (gradient - first)
            second += (1 - _SECOND_MOMENT) * (np.square(gradient) - second)
            unbiased = first / (1 - _FIRST_MOMENT ** (step + 1))
            spread = np.sqrt(second / (1 - _SECOND_MOMENT ** (step + 1)))
            weights[name] -= rate * _schedule(step / steps) * unbiased / (spread + 1e-7)
        if progress is not None:
            progress(step + 1, steps)
    for name, array in weights.items():
        model.graph.initializers[name].const_value = ir.tensor(array, name=name)
    fit_statistics(model, samples[:_STATISTICS])


def fit_statistics(model: ir.Model, samples: Array) -> None:
    """Gives each BatchNormalization, in order, the mean and variance of what it is fed.

    Args:
        model: changed in place.
        samples: float32 `[N, ...]`; all go through the net at once.
    """
    for step in _forward(model, _learned(model), samples):
        if not is_op(step.node, "BatchNormalization"):
            continue
        x = step.operands[0]
        assert x is not None
        axes = tuple(range(x.ndim - 1))
        for place, statistic in ((3, x.mean(axis=axes)), (4, x.var(axis=axes))):
            value = step.node.inputs[place]
            assert value is not None
            value.const_value = ir.tensor(statistic, name=value.name)


def _learned(model: ir.Model) -> dict[str, Array]:
    """Every initialiser but statistics, as arrays that may be written to."""
    learned = {}
    for node in model.graph:
        places = (1, 2) if len(node.inputs) > 2 else (1,)
        for value in (node.inputs[place] for place in places if place < len(node.inputs)):
            if value is not None and value.const_value is not None:
                learned[str(value.name)] = value.const_value.numpy().copy()
    return learned


def _gradients(
    model: ir.Model, weights: dict[str, Array], samples: Array, targets: Array
) -> dict[str, Array]:
    """Of the loss with regard to each weight."""
    steps = list(_forward(model, weights, samples))
    last = steps[-1]
    flowing = {last.node.outputs[0]: _loss_gradient(last.result, targets)}
    for step in reversed(steps):
        gradients = step.backward(flowing.pop(step.node.outputs[0]))
        for value, gradient in zip(step.node.inputs, gradients, strict=True):
            if value is not None and gradient is not None and not value.is_graph_input():
                flowing[value] = flowing[value] + gradient if value in flowing else gradient
    return {str(value.name): gradient for value, gradient in flowing.items()}


@dataclass(frozen=True)
class _Step:
    """One node as it was computed."""

    node: ir.Node
    operands: list[Array | None]
    result: Array
    backward: Backward


def _forward(model: ir.Model, weights: dict[str, Array], samples: Array) -> Iterator[_Step]:
    """Computes node after node, up to a Softmax, each BatchNormalization by the samples' own."""
    data = samples.transpose(0, 2, 3, 1) if samples.ndim == 4 else samples
    known = {model.graph.inputs[0]: data}
    for node in model.graph:
        if is_op(node, "Softmax"):
            break
        operands = [_operand(value, known, weights) for value in node.inputs]
        known[node.outputs[0]], backward = RULES[node.op_type](node, *operands)
        yield _Step(node, operands, known[node.outputs[0]], backward)


def _operand(
    value: ir.Value | None, known: dict[ir.Value, Array], weights: dict[str, Array]
) -> Array | None:
    if value is None or value in known:
        return None if value is None else known[value]
    return weights.get(str(value.name))


def _loss_gradient(y: Array, targets: Array) -> Array:
    if targets.ndim == 2:
        return (2 / y.size) * (y - targets)
    powers = np.exp(y - y.max(axis=1, keepdims=True))
    wanted = np.full_like(y, _SMOOTHING / y.shape[1])
    wanted[np.arange(len(y)), targets] += 1 - _SMOOTHING
    gradient: Array = (powers / powers.sum(axis=1, keepdims=True) - wanted) / len(y)
    return gradient


def _schedule(done: float) -> float:
    """The share of the highest rate: up in a line, then down in half a cosine."""
    if done < _WARM_UP:
        return done / _WARM_UP
    return float(0.5 + 0.5 * np.cos(np.pi * (done - _WARM_UP) / (1 - _WARM_UP)))
