"""Turns how unusual a window is into a score that means the same on every machine."""

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder

_TAIL_SHARE = 0.1
_NARROWEST = 0.05
_FEWEST_ABOVE = 10


@dataclass(frozen=True)
class NormalScore:
    """score = -log10 of the share of normal windows that are expected to be so unusual.

    2 is one normal window in a hundred, 3 one in a thousand, whatever the machine. Beyond the
    90 % quantile the logarithm of a normal window's novelty is taken as exponential: peaks over
    threshold with shape 0 (Pickands, 1975, Annals of Statistics 3, 119; on streams Siffer et al.,
    KDD 2017), with the mean excess as its scale (Hill, 1975, Annals of Statistics 3, 1163). That
    gives novelty itself a power law, the heavy tail that real machines have, and makes the score
    linear in the logarithm, below the quantile too.

    Attributes:
        start: ln(novelty) at the 90 % quantile, where the score is 1.
        excess: the mean of what is above it, in the same logarithm.
    """

    start: float
    excess: float

    @classmethod
    def fit(cls, logs: Array) -> "NormalScore":
        """What is normal, from ln(novelty) `[N]` of held-out normal windows."""
        start = float(np.quantile(logs, 1 - _TAIL_SHARE))
        above = logs[logs > start] - start
        return cls(start, max(float(above.mean()) if len(above) else 0.0, _NARROWEST))

    def score(self, logs: Array) -> Array:
        """The score of each ln(novelty)."""
        scores: Array = (logs - self.start) * self._slope - math.log10(_TAIL_SHARE)
        return scores

    def compile(self, build: GraphBuilder, logarithm: ir.Value) -> ir.Value:
        """The same as nodes, float32 of any shape."""
        offset = -self.start * self._slope - math.log10(_TAIL_SHARE)
        return build.op(
            "Add",
            build.op("Mul", logarithm, np.float32(self._slope)),
            np.float32(offset),
        )

    def threshold(self, logs: Array, false_alarm_rate: float, *, overlap: int) -> float:
        """The score that a share of `false_alarm_rate` of normal windows exceeds.

        Where that many windows have been seen, at least ten that do not overlap, it is the
        quantile of those held out; else what the tail says, which is -log10 of the rate.

        Args:
            logs: ln(novelty) `[N]` of held-out normal windows.
            false_alarm_rate: between 0 and 1.
            overlap: how many of these windows each row is in.
        """
        if len(logs) / overlap * false_alarm_rate >= _FEWEST_ABOVE:
            return float(np.quantile(self.score(logs), 1 - false_alarm_rate))
        return -math.log10(false_alarm_rate)

    @property
    def _slope(self) -> float:
        return 1 / (self.excess * math.log(10))
