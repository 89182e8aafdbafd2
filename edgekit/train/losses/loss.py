"""What a loss is to the compiler of steps."""

from collections.abc import Sequence
from typing import Protocol

import onnx_ir as ir

from edgekit.train.building import StepBuilder


class Loss(Protocol):
    """Says how wrong each row of a batch is."""

    def of_each(self, build: StepBuilder, output: ir.Value, inputs: Sequence[ir.Value]) -> ir.Value:
        """Appends the loss to a model's graph.

        Args:
            build: appends nodes, and inputs for what the batch brings besides the model's inputs.
            output: what the model says, `[N, ...]`.
            inputs: what the model takes.

        Returns:
            float32 `[N]`, the loss of each row; a step follows the gradient of their mean.

        Raises:
            UnsupportedModel: the model's output is none that this loss can judge.
        """
        ...
