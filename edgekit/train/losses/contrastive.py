"""Losses of embeddings: what belongs together is to lie together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.errors import UnsupportedModel
from edgekit.train.bounds import Positive
from edgekit.train.building import StepBuilder, known_shape

_FAR = -1e9
_SMALL = 1e-12


@dataclass(frozen=True)
class InfoNce:
    """Cross-entropy of finding a sample's other view among all other rows (NT-Xent).

    Chen et al., 2020, arXiv:2002.05709. The output is an embedding of each row, `[2 N, D]`: one
    view of each of N samples, then another view of each in the same order. The batch brings
    nothing besides.

    Attributes:
        temperature: what cosines are divided by.
    """

    temperature: Positive = 0.5

    def of_each(self, build: StepBuilder, output: ir.Value, inputs: Sequence[ir.Value]) -> ir.Value:
        """See `Loss`."""
        rows, _ = _embedding(output, views=2)
        unit = _normalised(build, output)
        cosines = build.op("MatMul", unit, build.op("Transpose", unit, perm=[1, 0]))
        own = _FAR * np.eye(rows, dtype=np.float32)
        others = build.op("Add", build.op("Mul", cosines, 1 / self.temperature), own)
        pairs = np.roll(np.eye(rows, dtype=np.float32), rows // 2, axis=1)
        logarithms = build.op("LogSoftmax", others, axis=1)
        return build.op("ReduceSum", build.op("Mul", logarithms, -pairs), [1], keepdims=0)


@dataclass(frozen=True)
class Triplet:
    """How much nearer an anchor is to the wrong sample than to the right one, plus a margin.

    Schroff et al., 2015, arXiv:1503.03832: squared distances of embeddings of length 1. The output
    is an embedding of each row, `[3 N, D]`: N anchors, then as many of the same kind as each, then
    as many of another kind. The batch brings nothing besides.

    Attributes:
        margin: how much nearer the right one should be.
    """

    margin: Positive = 0.2

    def of_each(self, build: StepBuilder, output: ir.Value, inputs: Sequence[ir.Value]) -> ir.Value:
        """See `Loss`, save that there is a loss for each triplet, `[N]`."""
        rows, _ = _embedding(output, views=3)
        anchor, same, other = build.op_many(
            "Split", _normalised(build, output), [rows // 3] * 3, outputs=3, axis=0
        )
        near, far = (_squared_distance(build, anchor, value) for value in (same, other))
        return build.op("Relu", build.op("Add", build.op("Sub", near, far), self.margin))


def _embedding(output: ir.Value, *, views: int) -> tuple[int, int]:
    shape = known_shape(output)
    if len(shape) != 2 or shape[0] % views:
        raise UnsupportedModel(
            f"the output {output.name!r} {list(shape)} is not [{views} * samples, dimensions]"
        )
    return shape[0], shape[1]


def _normalised(build: StepBuilder, rows: ir.Value) -> ir.Value:
    squares = build.op("ReduceSum", build.op("Mul", rows, rows), [1], keepdims=1)
    return build.op("Div", rows, build.op("Sqrt", build.op("Add", squares, _SMALL)))


def _squared_distance(build: StepBuilder, one: ir.Value, other: ir.Value) -> ir.Value:
    difference = build.op("Sub", one, other)
    return build.op("ReduceSum", build.op("Mul", difference, difference), [1], keepdims=0)
