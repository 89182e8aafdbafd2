"""Trains integer weights and biases to give the original network's answers, at a price on bits.

Distillation (Hinton et al., 2015, arXiv:1503.02531) into the rounded network, its activations
quantised too, with straight-through gradients (Bengio et al., 2013, arXiv:1308.3432) by latent
weights in units of their steps. The code length of each weight is part of the loss, at the slope at
which the layers' steps were chosen, so that the file does not grow (entropy-constrained training:
Wiedemann et al., 2020, arXiv:1905.08318).
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.autodiff import gradients
from edgekit.compress.augment import augmented
from edgekit.compress.layers import Layer, linear_layers
from edgekit.compress.progress import Progress
from edgekit.compress.quantize.answer import answer_of
from edgekit.compress.quantize.rounding import code_lengths, entropy_bytes, round_nearest
from edgekit.compress.quantize.weights import Rounded
from edgekit.graph.edit import add_initializer, prune_unused, set_constant
from edgekit.graph.session import open_session

_BATCH = 32
_RATE = 0.01
_BIAS_RATE = 0.05
_BETAS = (0.9, 0.99)
_LEAN = 0.35
"""How far from its integer towards the float weight a latent starts, at most, in steps."""


@dataclass(frozen=True)
class Budget:
    """How long to train, and how large the weights may be.

    Attributes:
        batches: of 32 samples.
        size_bytes: by entropy.
        slope: nats of divergence that a bit is worth.
    """

    batches: int
    size_bytes: float
    slope: float


def tune_weights(
    model: ir.Model,
    original: ir.Model,
    tensors: Sequence[Array],
    rounded: Mapping[str, Rounded],
    units: Mapping[str, float],
    *,
    budget: Budget,
    progress: Progress,
    seed: int = 0,
) -> dict[str, Rounded]:
    """Trains in place.

    Args:
        model: with quantised activations, and float weights that are `rounded`'s.
        original: the float model.
        tensors: unlabelled samples.
        rounded: the layers to train.
        units: what a bias is measured in, by layer name: the scale of the layer's output.
        budget: how long, how large.
        progress: shows how far this is.
        seed: of order and augmentation.

    Returns:
        The layers' new integers; the model has them, and the new biases.
    """
    layers = [layer for layer in linear_layers(model) if layer.name in rounded]
    student = _Student(model, [layer.name for layer in layers])
    teacher = _Teacher(original)
    originals = {layer.name: layer for layer in linear_layers(original)}
    weights = [_Latent.start(originals[la.name], la, rounded[la.name]) for la in layers]
    biases = [_Bias.start(layer, units[layer.name]) for layer in layers]
    rng = np.random.default_rng(seed)
    slope = budget.slope
    with ThreadPoolExecutor(student.workers) as pool:
        for batch in progress.track(range(budget.batches), "tuning", total=budget.batches):
            share = 0.5 * (1 + np.cos(np.pi * batch / budget.batches))
            samples = augmented(tensors, _BATCH, rng)
            feeds = {w.name: w.stored() for w in weights} | {b.name: b.stored() for b in biases}
            slices = [samples[worker :: student.workers] for worker in range(student.workers)]
            jobs = [
                pool.submit(student.gradients, worker, part, teacher, feeds)
                for worker, part in enumerate(slices)
            ]
            found = _mean([job.result() for job in jobs], len(samples))
            for weight in weights:
                weight.step(found[weight.name], slope, _RATE * share)
            for bias in biases:
                bias.step(found[bias.name], _BIAS_RATE * share)
            size = sum(entropy_bytes(weight.integers()) for weight in weights)
            slope *= float(np.exp(np.clip(4 * (size / budget.size_bytes - 1), -0.1, 0.1)))
    done = {}
    for layer, weight, bias in zip(layers, weights, biases, strict=True):
        before = rounded[layer.name]
        done[layer.name] = Rounded(weight.integers(), before.steps, before.levels)
        set_constant(model, layer.node, 1, layer.shaped(done[layer.name].matrix))
        set_constant(model, layer.node, 2, bias.stored())
    return done


def _mean(parts: Sequence[Mapping[str, Array]], count: int) -> dict[str, Array]:
    return {name: np.sum([part[name] for part in parts], axis=0) / count for name in parts[0]}


class _Adam:
    """Kingma and Ba, 2015, arXiv:1412.6980."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._mean = np.zeros(shape, np.float32)
        self._square = np.zeros(shape, np.float32)
        self._count = 0

    def change(self, gradient: Array, rate: float) -> Array:
        self._count += 1
        first, second = _BETAS
        self._mean += (1 - first) * (gradient - self._mean)
        self._square += (1 - second) * (np.square(gradient) - self._square)
        mean = self._mean / (1 - first**self._count)
        square = self._square / (1 - second**self._count)
        return np.asarray(rate * mean / (np.sqrt(square) + 1e-12))


class _Latent:
    """A layer's weights in steps, between integers; what the network sees is rounded."""

    def __init__(self, layer: Layer, latent: Array, steps: Array, levels: Array) -> None:
        self.name = f"{layer.name}/weights"
        self._layer = layer
        self._latent = latent.astype(np.float32)
        self._pruned = latent == 0
        self._steps = steps.astype(np.float32)
        self._levels = levels
        self._adam = _Adam(latent.shape)

    @classmethod
    def start(cls, original: Layer, layer: Layer, rounded: Rounded) -> "_Latent":
        """Near the integers, leaning to where the float weights are."""
        groups, rows, _ = rounded.integers.shape
        steps = rounded.steps.reshape(groups, rows, 1)
        matrix = original.matrix()
        lean = np.clip(matrix / steps - rounded.integers, -1, 1) * _LEAN
        latent = np.where(matrix == 0, 0.0, rounded.integers + lean)
        return cls(layer, latent, steps, rounded.levels)

    def integers(self) -> Array:
        return round_nearest(self._latent, self._levels)

    def stored(self) -> Array:
        return self._layer.shaped(self.integers() * self._steps).astype(np.float32)

    def step(self, slopes: Array, slope: float, rate: float) -> None:
        lengths = code_lengths(self.integers(), self._levels)
        slopes_of_length = np.diff(lengths) / np.diff(self._levels)
        gap = np.clip(np.searchsorted(self._levels, self._latent) - 1, 0, len(self._levels) - 2)
        dearer = slopes_of_length[gap]
        gradient = self._layer.matrix_of(slopes) * self._steps + slope * dearer
        self._latent -= self._adam.change(gradient.astype(np.float32), rate)
        self._latent[self._pruned] = 0


class _Bias:
    def __init__(self, name: str, values: Array, unit: float) -> None:
        self.name = name
        self._values = values.astype(np.float32)
        self._unit = unit
        self._adam = _Adam(values.shape)

    @classmethod
    def start(cls, layer: Layer, unit: float) -> "_Bias":
        bias = layer.bias
        values = np.zeros(layer.outputs, np.float32) if bias is None else np.array(bias)
        return cls(f"{layer.name}/bias", values, unit)

    def stored(self) -> Array:
        return self._values

    def step(self, slopes: Array, rate: float) -> None:
        self._values = self._values - self._adam.change(slopes, rate * self._unit).astype(
            np.float32
        )


class _Teacher:
    """Gives the answers to learn: probabilities, or outputs in units of their deviation."""

    def __init__(self, original: ir.Model) -> None:
        self._session = open_session(original)
        self._input = original.graph.inputs[0].name
        self._output = original.graph.outputs[0].name

    def answer(self, tensor: Array) -> Array:
        return np.asarray(self._session.run([self._output], {self._input: tensor})[0]).reshape(
            1, -1
        )


class _Student:
    """The gradient of the loss by every layer's weights and bias, one sample at a time."""

    def __init__(self, model: ir.Model, names: Sequence[str], *, workers: int = 2) -> None:
        graph = _with_inputs(model.clone(), names)
        answer, is_logit = answer_of(graph)
        wanted = [f"{name}/{part}" for name in names for part in ("weights", "bias")]
        loss = _append_loss(graph, answer, is_logit=is_logit)
        backward = gradients(graph, loss, wanted)
        self._input = str(model.graph.inputs[0].name)
        self._wanted = wanted
        self._outputs = [f"grad({name})" for name in wanted]
        self._sessions = [open_session(backward, fuse_quantized=False) for _ in range(workers)]
        self.workers = workers

    def gradients(
        self, worker: int, samples: Sequence[Array], teacher: _Teacher, feeds: Mapping[str, Array]
    ) -> dict[str, Array]:
        totals: list[Array] = []
        for sample in samples:
            fed = dict(feeds)
            fed[self._input], fed[_TEACHER] = sample, teacher.answer(sample)
            found = self._sessions[worker].run(self._outputs, fed)
            totals = found if not totals else [a + b for a, b in zip(totals, found, strict=True)]
        return dict(zip(self._wanted, totals, strict=True))


_TEACHER = "edgekit/teacher"


def _with_inputs(model: ir.Model, names: Sequence[str]) -> ir.Model:
    """Makes the weights and biases of layers inputs of the graph."""
    for layer in linear_layers(model):
        if layer.name not in names:
            continue
        bias = layer.bias
        set_constant(model, layer.node, 2, np.zeros(layer.outputs) if bias is None else bias)
        for index, part in ((1, "weights"), (2, "bias")):
            old = layer.node.inputs[index]
            assert old is not None
            value = ir.Value(name=f"{layer.name}/{part}", shape=old.shape, type=old.type)
            layer.node.replace_input_with(index, value)
            model.graph.inputs.append(value)
    prune_unused(model)
    return model


def _append_loss(model: ir.Model, answer: ir.Value, *, is_logit: bool) -> str:
    """Cross-entropy with the teacher's probabilities, or half the squared distance."""
    shape = [axis for axis in answer.shape or () if isinstance(axis, int)]
    count = int(np.prod(shape))
    teacher = ir.Value(
        name=_TEACHER, shape=ir.Shape((1, count)), type=ir.TensorType(ir.DataType.FLOAT)
    )
    model.graph.inputs.append(teacher)
    flat = add_initializer(model, "edgekit/flat", np.array([1, count], np.int64))
    nodes = [ir.node("Reshape", [answer, flat])]
    if is_logit:
        nodes.append(ir.node("LogSoftmax", [nodes[-1].outputs[0]], {"axis": 1}))
        nodes.append(ir.node("Mul", [nodes[-1].outputs[0], teacher]))
        nodes.append(ir.node("Neg", [nodes[-1].outputs[0]]))
    else:
        nodes.append(ir.node("Sub", [nodes[-1].outputs[0], teacher]))
        nodes.append(ir.node("Mul", [nodes[-1].outputs[0], nodes[-1].outputs[0]]))
    nodes.append(ir.node("ReduceSum", [nodes[-1].outputs[0]], {"keepdims": 0}))
    for number, node in enumerate(nodes):
        node.outputs[0].name = f"edgekit/loss_{number}"
        node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
        node.outputs[0].shape = ir.Shape(() if node is nodes[-1] else (1, count))
    model.graph.extend(nodes)
    return str(nodes[-1].outputs[0].name)
