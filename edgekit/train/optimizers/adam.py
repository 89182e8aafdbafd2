"""Adam: steps of a length that the gradient's own size does not change."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.train.bounds import NotNegative, Positive, Share
from edgekit.train.building import StepBuilder
from edgekit.train.optimizers.optimizer import Optimizer, State


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Divides the mean of past gradients by the root of the mean of their squares.

    Kingma and Ba, 2015, arXiv:1412.6980. The state holds sums instead of means, and the sums of
    the weights in them: their quotients are the means without bias, and take fewer operations.

    Attributes:
        beta1: how much of the gradients' sum is kept in a step.
        beta2: how much of the squares' sum is kept in a step.
        epsilon: is added to the root.
    """

    beta1: Share = 0.9
    beta2: Share = 0.999
    epsilon: Positive = 1e-8

    def common(self, build: StepBuilder, rate: ir.Value) -> Sequence[ir.Value]:
        """The steps' length and epsilon, as if the sums were means."""
        weights = build.carried("weights", [2])
        kept = build.op("Mul", weights, np.array([self.beta1, self.beta2], np.float32))
        added = build.op("Add", kept, 1.0)
        build.carry(weights, added)
        first, second = build.op_many("Split", added, [1, 1], outputs=2, axis=0)
        root = build.op("Sqrt", second)
        length = build.op("Div", build.op("Mul", rate, root), first)
        return [length, build.op("Mul", root, self.epsilon)]

    def change(
        self, build: StepBuilder, slope: ir.Value, state: State, common: Sequence[ir.Value]
    ) -> ir.Value:
        """See `Optimizer`."""
        length, epsilon = common
        first, second = state("gradients"), state("squares")
        gradients = build.op("Add", build.op("Mul", first, self.beta1), slope)
        square = build.op("Mul", slope, slope)
        squares = build.op("Add", build.op("Mul", second, self.beta2), square)
        build.carry(first, gradients)
        build.carry(second, squares)
        root = build.op("Add", build.op("Sqrt", squares), epsilon)
        return build.op("Mul", build.op("Div", gradients, root), length)


@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """Adam with decay that is not divided by the gradients' size.

    Loshchilov and Hutter, 2019, arXiv:1711.05101.
    """

    decay: NotNegative = 0.01
