"""Losses of numbers: how far what a model says is from what it should say."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgekit.errors import UnsupportedModel
from edgekit.train.bounds import Positive
from edgekit.train.building import StepBuilder, known_shape
from edgekit.train.losses.cross_entropy import TARGET
from edgekit.train.losses.rows import mean_of_rows


@dataclass(frozen=True)
class Mse:
    """The mean squared error.

    The batch brings `target`, float32 of the output's shape.
    """

    def of_each(self, build: StepBuilder, output: ir.Value, inputs: Sequence[ir.Value]) -> ir.Value:
        """See `Loss`."""
        return self.between(build, output, _target(build, output))

    def between(self, build: StepBuilder, output: ir.Value, target: ir.Value) -> ir.Value:
        """The loss of each row, float32 `[N]`, for a target that is there already."""
        error = build.op("Sub", output, target)
        return mean_of_rows(build, build.op("Mul", error, error), known_shape(output))


@dataclass(frozen=True)
class Huber:
    """Half the squared error up to an error of `delta`, and a line beyond. Huber, 1964, "Robust
    Estimation of a Location Parameter".

    The batch brings `target`, float32 of the output's shape.

    Attributes:
        delta: where the line begins, in units of the output.
    """

    delta: Positive = 1.0

    def of_each(self, build: StepBuilder, output: ir.Value, inputs: Sequence[ir.Value]) -> ir.Value:
        """See `Loss`."""
        return self.between(build, output, _target(build, output))

    def between(self, build: StepBuilder, output: ir.Value, target: ir.Value) -> ir.Value:
        """The loss of each row, float32 `[N]`, for a target that is there already."""
        error = build.op("Abs", build.op("Sub", output, target))
        near = build.op("Min", error, self.delta)
        beyond = build.op("Sub", error, build.op("Mul", near, 0.5))
        return mean_of_rows(build, build.op("Mul", near, beyond), known_shape(output))


@dataclass(frozen=True)
class Reconstruction:
    """How far a model's output is from its own input; the batch brings nothing else.

    Attributes:
        by: what measures the distance.
        of: the name of the value in the model that is to be reproduced, such as the input after
            it was scaled; by default the first input.
    """

    by: Mse | Huber = Mse()
    of: str | None = None

    def of_each(self, build: StepBuilder, output: ir.Value, inputs: Sequence[ir.Value]) -> ir.Value:
        """See `Loss`."""
        given = inputs[0] if self.of is None else build.value(self.of)
        shape, wanted = known_shape(output), known_shape(given)
        if math.prod(wanted) != math.prod(shape):
            raise UnsupportedModel(
                f"the output {output.name!r} {list(shape)} is no reconstruction of "
                f"{given.name!r} {list(wanted)}"
            )
        if given.dtype != output.dtype:
            given = build.op("Cast", given, to=ir.DataType.FLOAT)
        if wanted != shape:
            given = build.op("Reshape", given, list(shape))
        return self.by.between(build, output, given)


def _target(build: StepBuilder, output: ir.Value) -> ir.Value:
    return build.batch_input(TARGET, "float32", known_shape(output))
