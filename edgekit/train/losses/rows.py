"""Means over all axes but the first."""

import math
from collections.abc import Sequence

import onnx_ir as ir

from edgekit.train.building import StepBuilder


def mean_of_rows(build: StepBuilder, value: ir.Value, shape: Sequence[int]) -> ir.Value:
    """The mean of each row, `[N]`.

    Args:
        build: appends nodes.
        value: float32.
        shape: of the value, `[N, ...]`.
    """
    if len(shape) == 1:
        return value
    total = build.op("ReduceSum", value, list(range(1, len(shape))), keepdims=0)
    return build.op("Mul", total, 1 / math.prod(shape[1:]))
