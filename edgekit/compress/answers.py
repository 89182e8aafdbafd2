"""Runs a model on samples and gives its whole answers, to compare one model with another."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.bundle import InputSpec, OutputSpec
from edgekit.bundle.manifest import OutputKind
from edgekit.compress.data import Samples
from edgekit.compress.progress import Progress
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


def answers_to(
    candidate: Candidate,
    samples: Samples,
    indices: Sequence[int] | Array,
    *,
    progress: Progress,
    title: str = "measuring accuracy",
) -> Array:
    """One row for each of the samples named: float32 `[len(indices), answer]`.

    Args:
        candidate: the model.
        samples: the data.
        indices: which samples.
        progress: shows how far this is.
        title: what to call it there.
    """
    rows: Array | None = None
    data = samples.seen_by(candidate.input).data
    tracked = progress.track(list(indices), title, total=len(indices))
    for place, index in enumerate(tracked):
        answer = candidate.answer(data[int(index)])
        if rows is None:
            rows = np.empty((len(indices), answer.size), np.float32)
        rows[place] = answer
    return np.empty((0, 0), np.float32) if rows is None else rows


def describer(kind: OutputKind, labels: Sequence[str]) -> Callable[[Array], str]:
    """What says an answer in words."""

    def described(answer: Array) -> str:
        if kind in ("scores", "logits"):
            best = int(answer.argmax())
            label = labels[best] if best < len(labels) else f"class {best}"
            return f"{label} ({answer[best]:.0%})"
        if kind in ("score", "reconstruction"):
            return f"score {answer[0]:.3g}"
        return np.array2string(answer[:4], precision=3)

    return described
