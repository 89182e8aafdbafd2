"""How much an error in each output channel of each layer changes the model's answer.

For a classifier the Kullback-Leibler divergence from the answer is, to second order, half the
squared error weighted by the Fisher information (Amari, 1998; Martens, 2020, arXiv:1412.1193); for
other models half the squared error of the output in units of its deviation. Both are read off
vector-Jacobian products with random vectors whose covariance is the curvature at the output.
"""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.autodiff import gradients
from edgekit.compress.layers import linear_layers
from edgekit.compress.progress import Progress
from edgekit.graph.match import is_op
from edgekit.graph.observe import Observer

_SEED = "seed"


def output_sensitivities(
    model: ir.Model, tensors: Sequence[Array], *, progress: Progress, draws: int = 2, seed: int = 0
) -> dict[str, Array]:
    """The expected squared gradient by each output channel, summed over its positions.

    Args:
        model: a float model.
        tensors: unlabelled samples.
        progress: shows how far this is.
        draws: random vectors a sample.
        seed: of the vectors.

    Returns:
        By layer name, float64 `[outputs]`: an error of variance v at every position of a channel
        costs `v / 2` times this.

    Raises:
        UnsupportedModel: an operator has no derivative.
    """
    layers = linear_layers(model)
    answer, is_logit = answer_of(model)
    names = [str(layer.output.name) for layer in layers]
    observer = Observer(gradients(model, answer, names, seed=_SEED), [str(answer.name)])
    plain = Observer(model, [str(answer.name)])
    rng = np.random.default_rng(seed)
    image = str(model.graph.inputs[0].name)
    deviation = 1.0
    if not is_logit:
        seen = np.stack([plain.run(tensor)[str(answer.name)] for tensor in tensors[:32]])
        deviation = max(float(seen.std()), 1e-12)
    totals = {layer.name: np.zeros(layer.outputs) for layer in layers}
    for tensor in progress.track(tensors, "measuring sensitivity", total=len(tensors)):
        values = plain.run(tensor)[str(answer.name)]
        for _ in range(draws):
            vector = rng.choice([-1.0, 1.0], values.shape)
            if is_logit:
                vector = _softmax_curvature(values, vector)
            found = observer.run({image: tensor, _SEED: (vector / deviation).astype(np.float32)})
            for layer, name in zip(layers, names, strict=True):
                slopes = layer.responses(found[f"grad({name})"]).astype(np.float64)
                totals[layer.name] += np.square(slopes).sum(axis=2).reshape(-1)
    return {name: total / (len(tensors) * draws) for name, total in totals.items()}


def answer_of(model: ir.Model) -> tuple[ir.Value, bool]:
    """The value that the model's answer is read off, and whether it is logits.

    A Softmax's input stands for its output: there the curvature is known in closed form.
    """
    value = model.graph.outputs[0]
    found: ir.Value | None = value
    while found is not None:
        producer = found.producer()
        if producer is not None and is_op(producer, "Softmax") and producer.inputs[0] is not None:
            return producer.inputs[0], True
        if producer is None or not is_op(producer, "Flatten", "Reshape", "Squeeze", "Identity"):
            break
        found = producer.inputs[0]
    return value, False


def _softmax_curvature(logits: Array, signs: Array) -> Array:
    """A random vector whose covariance is diag(p) - p p^T."""
    flat = logits.astype(np.float64).reshape(-1)
    shares = np.exp(flat - flat.max())
    shares /= shares.sum()
    roots = np.sqrt(shares) * signs.reshape(-1)
    return np.asarray(roots - shares * roots.sum()).reshape(logits.shape)
