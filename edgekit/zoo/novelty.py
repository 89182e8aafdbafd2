"""How unusual the newest rows of a window are, from what the autoencoder left over."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder

_FLOOR = 1e-6


@dataclass(frozen=True)
class Novelty:
    """newest / sqrt(older + 1): the newest rows' squared error against that of the rows before.

    Both are means over rows of the squared residual, in units of what is typical for the column;
    the column that stands out most counts. The root halves, on a logarithmic scale, what the
    older rows excuse: a machine that has become noisier soon raises fewer alarms, and a window
    that is odd all through still stands out.

    Attributes:
        newest: how many rows at the end of a window are judged.
        typical: float64 `[columns]`, the median over normal windows of the mean squared residual.
    """

    newest: int
    typical: Array

    @classmethod
    def fit(cls, residuals: Array, newest: int) -> "Novelty":
        """What is typical, from residuals `[N, length, columns]` of held-out normal windows."""
        typical = np.median(np.square(residuals).mean(axis=1), axis=0)
        return cls(newest, np.maximum(typical, _FLOOR))

    def logarithm(self, residuals: Array) -> Array:
        """ln(novelty) `[N]` of residuals `[N, length, columns]`."""
        squares = np.square(residuals) / self.typical
        older = squares[:, : -self.newest].mean(axis=1)
        newest = squares[:, -self.newest :].mean(axis=1)
        logs: Array = np.log((newest / np.sqrt(older + 1)).max(axis=1) + _FLOOR)
        return logs

    def compile(self, build: GraphBuilder, residual: ir.Value, length: int) -> ir.Value:
        """The same as nodes: float32 `[1]` of float32 `[1, length, columns]`."""
        squares = build.op(
            "Mul",
            build.op("Mul", residual, residual),
            (1 / self.typical).astype(np.float32),
        )
        split = np.array([length - self.newest, self.newest])
        older, newest = (
            build.op("ReduceMean", part, axes=[1], keepdims=0)
            for part in build.op_many("Split", squares, split, outputs=2, axis=1)
        )
        excused = build.op("Sqrt", build.op("Add", older, np.float32(1)))
        most = build.op("ReduceMax", build.op("Div", newest, excused), axes=[1], keepdims=0)
        return build.op("Log", build.op("Add", most, np.float32(_FLOOR)))
