"""Stochastic gradient descent."""

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgekit.train.bounds import Share
from edgekit.train.building import StepBuilder
from edgekit.train.optimizers.optimizer import Optimizer, State


@dataclass(frozen=True, kw_only=True)
class Sgd(Optimizer):
    """Goes down the gradient, with or without momentum.

    Attributes:
        momentum: the share of the last step's velocity that is kept.
        nesterov: look at the gradient where the momentum leads. Sutskever et al., 2013, "On the
            importance of initialization and momentum in deep learning".
    """

    momentum: Share = 0.0
    nesterov: bool = False

    def change(
        self, build: StepBuilder, slope: ir.Value, state: State, common: Sequence[ir.Value]
    ) -> ir.Value:
        """See `Optimizer`."""
        rate = common[0]
        if self.momentum:
            velocity = state("velocity")
            faster = build.op("Add", build.op("Mul", velocity, self.momentum), slope)
            build.carry(velocity, faster)
            ahead = build.op("Mul", faster, self.momentum) if self.nesterov else faster
            slope = build.op("Add", slope, ahead) if self.nesterov else ahead
        return build.op("Mul", slope, rate)
