"""Turns a model's output into a prediction."""

import math

import numpy as np

from edgekit.array import Array
from edgekit.bundle import Manifest, Quantization
from edgekit.errors import UnsupportedModel
from edgekit.runtime.prediction import (
    AnomalyScore,
    Classification,
    Prediction,
    RawValues,
)


def interpret(
    output: Array, tensor: Array, manifest: Manifest, labels: tuple[str, ...], *, top: int = 5
) -> Prediction:
    """What an output means.

    Args:
        output: the manifest's output tensor.
        tensor: the input tensor it came from.
        manifest: says how to read both.
        labels: one a class, or none.
        top: how many classes to name.

    Raises:
        UnsupportedModel: the output holds a number that is not finite.
    """
    values = dequantized(output, manifest.output.quantization)
    match manifest.output.kind:
        case "scores" | "logits":
            scores = values.reshape(-1)
            _require_finite(scores.item(scores.argmax()))  # which is the first NaN, if there is one
            _require_finite(scores.item(scores.argmin()))
            probabilities = softmax(scores) if manifest.output.kind == "logits" else scores
            return Classification.of(probabilities, labels, top=top)
        case "score":
            score = float(values.reshape(-1)[0])
        case "reconstruction":
            original = dequantized(tensor, manifest.input.quantization)
            score = float(np.mean(np.square(original.reshape(-1) - values.reshape(-1))))
        case "raw":
            return RawValues(values)
    _require_finite(score)
    assert manifest.thresholds is not None, "the manifest's reader checks that"
    return AnomalyScore(score, manifest.thresholds.anomaly)


def dequantized(values: Array, quantization: Quantization | None) -> Array:
    """The real numbers that integers stand for, as float64; floats as they are, as float64."""
    real = values.astype(np.float64)
    if quantization is not None:
        real = (real - quantization.zero_point) * quantization.scale
    return real


def softmax(logits: Array) -> Array:
    """Probabilities from logits, along the last axis."""
    powers: Array = np.exp(logits - logits.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def _require_finite(value: float) -> None:
    if not math.isfinite(value):
        raise UnsupportedModel("the model's output holds NaN or infinity for this sample")
