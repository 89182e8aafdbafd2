"""What no normal recording came near: readings far outside, and a sensor that stands still."""

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.lib.stride_tricks import sliding_window_view

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder

_FAR = 0.5
"""Of the known range: how far outside it the newest rows must lie, on average."""
_STILL = 1e4
"""How many times less a window must move, in squares, than the stillest normal one."""
_COARSE = 4.0
"""Of a sensor's smallest step, squared: what a stillest window that moves less says is nothing."""
_TINY = 1e-12


@dataclass(frozen=True)
class KnownLimits:
    """How far a window breaks the limits of what is known; at 1 it is anomalous.

    An autoencoder alone reproduces a flat line well, and one that centres its windows does not
    see where they lie. These limits are wide, so that they do not add to the false alarms, and
    they keep their alarm for as long as the fault lasts.

    Attributes:
        middle: float64 `[columns]`, the middle of the known range, scaled as windows are.
        span: float64 `[columns]`, the width of it, at least 1.
        stillest: float64 `[columns]`, the least mean squared step between rows of any normal
            window; 0 where standing still is normal, or where the sensor's resolution is too
            coarse to tell.
    """

    middle: Array
    span: Array
    stillest: Array

    @classmethod
    def fit(cls, rows: Array, length: int) -> "KnownLimits":
        """The limits of scaled normal rows `[N, columns]`, seen in windows of `length`."""
        low, high = rows.min(axis=0), rows.max(axis=0)
        steps = np.square(np.diff(rows, axis=0))
        smallest = np.where(steps > 0, steps, np.inf).min(axis=0)
        stillest = sliding_window_view(steps, length - 1, axis=0).mean(axis=-1).min(axis=0)
        stillest = np.where(stillest > _COARSE * smallest, stillest, 0.0)
        return cls((low + high) / 2, np.maximum(high - low, 1.0), stillest)

    def broken_by(self, windows: Array, newest: int) -> Array:
        """How far each scaled window `[N, length, columns]` breaks the limits, `[N]`."""
        beyond = np.maximum(np.abs(windows[:, -newest:] - self.middle) - self.span / 2, 0)
        outside = (beyond / self.span).mean(axis=1) / _FAR
        movement = np.square(np.diff(windows, axis=1)).mean(axis=1)
        still = self.stillest / _STILL / (movement + _TINY)
        broken: Array = np.maximum(outside, still).max(axis=1)
        return broken

    def compile(
        self, build: GraphBuilder, scaled: ir.Value, length: int, *, newest: int, threshold: float
    ) -> ir.Value:
        """A score float32 `[1]` of a scaled window `[1, length, columns]`.

        It is `threshold` where limits are just broken, 0 for a window well within them, and
        grows with the logarithm.
        """
        last = build.op("Slice", scaled, *_ends(length - newest, length))
        away = build.op("Abs", build.op("Sub", last, self.middle.astype(np.float32)))
        beyond = build.op("Relu", build.op("Sub", away, (self.span / 2).astype(np.float32)))
        outside = build.op(
            "Mul",
            build.op("ReduceMean", beyond, axes=[1], keepdims=0),
            (1 / self.span / _FAR).astype(np.float32),
        )
        step = build.op(
            "Sub",
            build.op("Slice", scaled, *_ends(1, length)),
            build.op("Slice", scaled, *_ends(0, length - 1)),
        )
        movement = build.op("ReduceMean", build.op("Mul", step, step), axes=[1], keepdims=0)
        still = build.op(
            "Div",
            (self.stillest / _STILL).astype(np.float32),
            build.op("Add", movement, np.float32(_TINY)),
        )
        worst = build.op("ReduceMax", build.op("Max", outside, still), axes=[1], keepdims=0)
        logarithm = build.op("Log", build.op("Add", worst, np.float32(1)))
        return build.op("Mul", logarithm, np.float32(threshold / math.log(2)))


def _ends(start: int, end: int) -> tuple[Array, Array, Array]:
    """Slice's operands for rows from `start` up to `end`."""
    return np.array([start]), np.array([end]), np.array([1])
