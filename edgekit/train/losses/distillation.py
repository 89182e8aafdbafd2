"""Distillation: learning what a larger model says."""

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgekit.train.bounds import Positive
from edgekit.train.building import StepBuilder, known_shape
from edgekit.train.losses.cross_entropy import CrossEntropy
from edgekit.train.losses.logits import logits_of

TEACHER = "teacher"
"""What the input is called that brings another model's logits."""


@dataclass(frozen=True)
class Distillation:
    """KL(teacher || student) of probabilities at a temperature, times its square.

    Hinton et al., 2015, arXiv:1503.02531. The batch brings `teacher`, float32 `[N, C]`: another
    model's logits; and where `hard` is above 0 then `target`, int64 `[N]`.

    Attributes:
        temperature: what logits are divided by.
        hard: the share of the loss that is cross-entropy with `target`.
    """

    temperature: Positive = 4.0
    hard: float = 0.0

    def of_each(self, build: StepBuilder, output: ir.Value, inputs: Sequence[ir.Value]) -> ir.Value:
        """See `Loss`."""
        logits, classes = logits_of(build, output)
        teacher = build.batch_input(TEACHER, "float32", [known_shape(output)[0], classes])
        cooled = [build.op("Mul", value, 1 / self.temperature) for value in (logits, teacher)]
        student, known = (build.op("LogSoftmax", value, axis=1) for value in cooled)
        product = build.op("Mul", build.op("Exp", known), build.op("Sub", known, student))
        divergence = build.op("ReduceSum", product, [1], keepdims=0)
        soft = build.op("Mul", divergence, (1 - self.hard) * self.temperature**2)
        if not self.hard:
            return soft
        hard = CrossEntropy().of_each(build, output, inputs)
        return build.op("Add", soft, build.op("Mul", hard, self.hard))
