"""Adam for parameters of very different sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgekit.train.building import StepBuilder
from edgekit.train.optimizers import Adam


@dataclass(frozen=True, kw_only=True)
class RelativeAdam(Adam):
    """Adam whose learning rate is a share of each parameter tensor's own size.

    In a finished model the weights that read pixels may be a thousandth of those behind them, and
    a step that is right for one undoes the other. So steps are measured by the weights, as in
    You et al., 2019, arXiv:1904.00962, but by those that the training began with.

    Attributes:
        sizes: of each parameter by name, as a root mean square.
    """

    sizes: Mapping[str, float]

    def following(
        self,
        build: StepBuilder,
        parameters: Sequence[ir.Value],
        gradients: Sequence[ir.Value],
        rate: ir.Value,
    ) -> list[ir.Value]:
        """See `Optimizer`."""
        moved = super().following(build, parameters, gradients, rate)
        return [
            build.op("Add", was, build.op("Mul", build.op("Sub", to, was), self._size(was)))
            for was, to in zip(parameters, moved, strict=True)
        ]

    def _size(self, parameter: ir.Value) -> float:
        return self.sizes[str(parameter.name)]
