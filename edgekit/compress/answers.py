"""Runs a model on samples and gives its whole answers, to compare one model with another."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.bundle import InputSpec, OutputSpec
from edgekit.runtime.engine import Engine
from edgekit.runtime.interpret import dequantized, softmax
from edgekit.runtime.prepare import prepare


@dataclass(frozen=True)
class Candidate:
    """A model that can be asked: the original, or what became of it."""

    engine: Engine
    input: InputSpec
    output: OutputSpec

    def tensor(self, sample: Array) -> Array:
        """The sample as this model takes it."""
        return prepare(sample, self.input)

    def answer(self, sample: Array) -> Array:
        """Float64, flat: probabilities of a classifier, one score of an anomaly model, or raw."""
        tensor = self.tensor(sample)
        output = self.engine.run(tensor)[self.output.name]
        values = dequantized(output, self.output.quantization).reshape(-1)
        match self.output.kind:
            case "logits":
                return softmax(values)
            case "reconstruction":
                original = dequantized(tensor, self.input.quantization).reshape(-1)
                return np.array([np.mean(np.square(original - values))])
        return values

    def answers(self, samples: Iterable[Array]) -> Array:
        """One row a sample: float64 `[N, answer]`."""
        return np.stack([self.answer(sample) for sample in samples])


def top_k_accuracy(answers: Array, targets: Array, k: int) -> float | None:
    """The share of samples of a known class (>= 0) whose class is among the k likeliest."""
    known = targets >= 0
    if not known.any() or (answers.shape[1] <= k and k > 1):
        return None
    best = np.argsort(-answers[known], axis=1, kind="stable")[:, :k]
    return float((best == targets[known][:, np.newaxis]).any(axis=1).mean())
