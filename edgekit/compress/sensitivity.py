"""How much each layer's weights matter to a model's answer."""

from collections.abc import Sequence
from time import perf_counter

import msgspec
import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.layers import Layer, linear_layers
from edgekit.compress.progress import Progress, Silent
from edgekit.compress.statistics import divergence
from edgekit.graph.session import open_session

BITS = 4
_SAMPLES = 16
_SECONDS = 30.0


class LayerSensitivity(msgspec.Struct, frozen=True):
    """What rounding one layer's weights alone does to the answer.

    Attributes:
        name: the layer.
        kl: KL(as it was || rounded) in nats, mean over samples; for a model that gives no
            probabilities, the squared error over the answer's variance.
        parameters: how many weights it has.
    """

    name: str
    kl: float
    parameters: int


def sensitivities(
    model: ir.Model,
    tensors: Sequence[Array],
    *,
    bits: int = BITS,
    seconds: float = _SECONDS,
    progress: Progress | None = None,
) -> list[LayerSensitivity]:
    """Rounds one layer at a time to `bits`, one scale an output channel, and asks again.

    Few bits on purpose: at 8 the answer's change drowns in noise, and the order of layers is
    the same (Dong et al., 2019, arXiv:1905.03696, measure the curvature that both follow from).

    Args:
        model: the float model; left as it is.
        tensors: samples as the model takes them; the first 16 at most are asked.
        bits: of the rounded weights.
        seconds: about how long it may take; fewer samples are asked where it would be longer.
        progress: shows how far this is.

    Returns:
        The layers, in the order in which they run.
    """
    progress = progress or Silent()
    layers = linear_layers(model)
    if not layers:
        return []
    started = perf_counter()
    asked = tensors[:1]
    answers_of(model, asked)
    once = perf_counter() - started
    count = int(np.clip(seconds / (once * len(layers)), 2, _SAMPLES))
    asked = tensors[:count]
    was = answers_of(model, asked)
    found = []
    for layer in progress.track(layers, "measuring sensitivity", total=len(layers)):
        is_now = _answers_rounded(model, layer, asked, bits)
        found.append(
            LayerSensitivity(layer.name, change_between(was, is_now), int(layer.weights.size))
        )
    return found


def _answers_rounded(
    model: ir.Model, layer: Layer, tensors: Sequence[Array], bits: int
) -> list[Array]:
    value = layer.node.inputs[1]
    assert value is not None
    kept = value.const_value
    rounded = layer.shaped(_rounded(layer.matrix(), bits)).astype(layer.weights.dtype)
    value.const_value = ir.tensor(np.ascontiguousarray(rounded), name=value.name)
    try:
        return answers_of(model, tensors)
    finally:
        value.const_value = kept


def answers_of(model: ir.Model, tensors: Sequence[Array]) -> list[Array]:
    """The model's first output for each sample, flat."""
    session = open_session(model)
    name = session.get_inputs()[0].name
    return [session.run(None, {name: tensor})[0].reshape(-1) for tensor in tensors]


def _rounded(matrix: Array, bits: int) -> Array:
    """`[groups, outputs, inputs]` to the nearest of a symmetric grid, one an output."""
    most = 2 ** (bits - 1) - 1
    scale = np.maximum(np.abs(matrix).max(axis=2, keepdims=True) / most, 1e-30)
    rounded: Array = np.rint(matrix / scale) * scale
    return rounded


def change_between(was: list[Array], is_now: list[Array]) -> float:
    """KL(was || is now), mean over samples; without probabilities, squared error over variance."""
    before, after = np.stack(was).astype(np.float64), np.stack(is_now).astype(np.float64)
    if before.shape[1] > 1 and before.min() >= 0 and before.max() <= 1.001:
        return float(divergence(before, after).mean())
    return float(np.mean(np.square(after - before)) / max(before.var(), 1e-12))
