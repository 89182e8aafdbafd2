"""Focal loss: cross-entropy that looks away from what is easy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.errors import InputError
from edgekit.train.bounds import NotNegative
from edgekit.train.building import StepBuilder, known_shape
from edgekit.train.losses.cross_entropy import TARGET
from edgekit.train.losses.logits import logits_of


@dataclass(frozen=True)
class Focal:
    """Cross-entropy times `(1 - p) ** gamma`, where p is the right class's probability.

    Lin et al., 2017, arXiv:1708.02002, for any number of classes. The batch brings `target`,
    int64 `[N]`: the class of each row, from 0.

    Attributes:
        gamma: 0, or 1 and above; 0 is plain cross-entropy.
        weights: of each class, alpha in the paper; `None` for 1.
    """

    gamma: NotNegative = 2.0
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.gamma != 0 and self.gamma < 1:
            raise InputError(f"focal loss: gamma {self.gamma} is not 0, nor 1 or above")

    def of_each(self, build: StepBuilder, output: ir.Value, inputs: Sequence[ir.Value]) -> ir.Value:
        """See `Loss`."""
        logits, classes = logits_of(build, output)
        if self.weights is not None and len(self.weights) != classes:
            raise InputError(
                f"focal loss: {len(self.weights)} weights do not go with {classes} classes"
            )
        rows = known_shape(output)[0]
        target = build.batch_input(TARGET, "int64", [rows], classes=classes)
        weights = np.array(self.weights or [1.0] * classes, np.float32)
        hot = build.op("OneHot", target, np.array(classes), np.array([0, 1], np.float32), axis=1)
        logarithms = build.op("LogSoftmax", logits, axis=1)
        logarithm = build.op("ReduceSum", build.op("Mul", logarithms, hot), [1], keepdims=0)
        loss = build.op("Mul", logarithm, build.op("Neg", build.op("Gather", weights, target)))
        if self.gamma == 0:
            return loss
        rest = build.op("Sub", 1.0, build.op("Exp", logarithm))
        return build.op("Mul", loss, build.op("Pow", rest, self.gamma))
