"""The variational autoencoder: a code of few numbers, spread as a normal distribution."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.learning.dataset import Dataset
from edgekit.learning.specs import TensorSpec
from edgekit.learning.views import WithNoise
from edgekit.train.building import StepBuilder, known_shape
from edgekit.train.tasks.heads import HeadBuilder, numbers_of


@dataclass(frozen=True)
class EvidenceBound:
    """Minus the evidence lower bound, in nats a sample, less a constant.

    The output is the reconstruction, the code's means and its logarithms of variances, side by
    side, `[N, D + 2 codes]`.

    Attributes:
        codes: how many numbers a code has.
        variance: of what a reconstruction leaves over, in the input's units squared.
    """

    codes: int
    variance: float

    def of_each(self, build: StepBuilder, output: ir.Value, inputs: Sequence[ir.Value]) -> ir.Value:
        """See `Loss`."""
        rows, width = known_shape(output)
        total = width - 2 * self.codes
        made, mean, logarithm = build.op_many(
            "Split", output, [total, self.codes, self.codes], outputs=3, axis=1
        )
        given = build.op("Cast", inputs[0], to=ir.DataType.FLOAT)
        error = build.op("Sub", made, build.op("Reshape", given, [rows, total]))
        squares = build.op("ReduceSum", build.op("Mul", error, error), [1], keepdims=0)
        spread = build.op("Add", build.op("Mul", mean, mean), build.op("Exp", logarithm))
        terms = build.op("Sub", build.op("Sub", spread, logarithm), 1.0)
        divergence = build.op("ReduceSum", terms, [1], keepdims=0)
        left_over = build.op("Mul", squares, 0.5 / self.variance)
        return build.op("Add", left_over, build.op("Mul", divergence, 0.5))


@dataclass(frozen=True)
class Variational:
    """Rebuilds a sample from a code to which noise was added.

    Kingma and Welling, 2014, arXiv:1312.6114. The noise is part of each batch, and follows from
    the seed.

    Attributes:
        codes: how many numbers a code has.
        hidden: the width of the decoder's hidden layer.
        variance: of what a reconstruction leaves over, in the input's units squared.
    """

    codes: int = 16
    hidden: int = 64
    variance: float = 0.05

    @property
    def loss(self) -> EvidenceBound:
        """See `Task`."""
        return EvidenceBound(self.codes, self.variance)

    def attached(self, encoder: ir.Model, rng: np.random.Generator) -> ir.Model:
        """See `Task`."""
        build = HeadBuilder(encoder.clone(), rng)
        given, total = build.given, numbers_of(build.given)
        features, count = build.features()
        noise = build.input(TensorSpec(f"{given.name}_noise", "float32", (1, self.codes)))
        mean = build.dense(features, count, self.codes, "mean")
        logarithm = build.op("Mul", build.dense(features, count, self.codes, "spread"), 0.1)
        deviation = build.op("Exp", build.op("Mul", logarithm, 0.5))
        code = build.op("Add", mean, build.op("Mul", deviation, noise))
        made = build.perceptron(code, self.codes, self.hidden, total, "decoder")
        answer = build.op("Concat", made, mean, logarithm, axis=1)
        return build.finish(answer, total + 2 * self.codes)

    def asked(self, samples: Dataset) -> Dataset:
        """See `Task`."""
        return WithNoise(samples, self.codes)
