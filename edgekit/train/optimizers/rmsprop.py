"""RMSprop: gradients over the root of their recent mean square."""

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgekit.train.bounds import Positive, Share
from edgekit.train.building import StepBuilder
from edgekit.train.optimizers.optimizer import Optimizer, State


@dataclass(frozen=True, kw_only=True)
class RmsProp(Optimizer):
    """Divides the gradient by the root of the running mean of its square.

    Tieleman and Hinton, 2012, "Neural Networks for Machine Learning", lecture 6.5.

    Attributes:
        alpha: the share of the running mean that is kept in a step.
        epsilon: is added to the root.
        momentum: the share of the last step's velocity that is kept.
    """

    alpha: Share = 0.99
    epsilon: Positive = 1e-8
    momentum: Share = 0.0

    def change(
        self, build: StepBuilder, slope: ir.Value, state: State, common: Sequence[ir.Value]
    ) -> ir.Value:
        """See `Optimizer`."""
        square = state("squares")
        fresh = build.op("Mul", build.op("Mul", slope, slope), 1 - self.alpha)
        mean = build.op("Add", build.op("Mul", square, self.alpha), fresh)
        build.carry(square, mean)
        slope = build.op("Div", slope, build.op("Add", build.op("Sqrt", mean), self.epsilon))
        if self.momentum:
            velocity = state("velocity")
            slope = build.op("Add", build.op("Mul", velocity, self.momentum), slope)
            build.carry(velocity, slope)
        return build.op("Mul", slope, common[0])
