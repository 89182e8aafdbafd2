"""Cross-entropy of classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.train.bounds import Share
from edgekit.train.building import StepBuilder, known_shape
from edgekit.train.losses.logits import logits_of

TARGET = "target"
"""What a loss calls the input that says what the model should have said."""


@dataclass(frozen=True)
class CrossEntropy:
    """Minus the logarithm of the probability that the model gives the right class, in nats.

    The batch brings `target`, int64 `[N]`: the class of each row, from 0.

    Attributes:
        smoothing: the share of each target that is spread evenly over all classes.
            Szegedy et al., 2016, arXiv:1512.00567.
    """

    smoothing: Share = 0.0

    def of_each(self, build: StepBuilder, output: ir.Value, inputs: Sequence[ir.Value]) -> ir.Value:
        """See `Loss`."""
        logits, classes = logits_of(build, output)
        rows = known_shape(output)[0]
        target = build.batch_input(TARGET, "int64", [rows], classes=classes)
        logarithms = build.op("LogSoftmax", logits, axis=1)
        low = self.smoothing / classes
        weights = build.op(
            "OneHot",
            target,
            np.array(classes),
            np.array([-low, -(1 - self.smoothing + low)], np.float32),
            axis=1,
        )
        return build.op("ReduceSum", build.op("Mul", logarithms, weights), [1], keepdims=0)
