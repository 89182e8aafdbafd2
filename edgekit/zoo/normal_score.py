"""Turns a reconstruction error into a score that means the same on every machine."""

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder

_FLOOR = 1e-8
_FEWEST_ABOVE = 10
_TAIL_SHARE = 0.1
_NARROWEST = 0.05


@dataclass(frozen=True)
class NormalScore:
    """score = (ln(error) - centre) / width: a robust z-score of the logarithm of the error.

    Errors of normal windows spread over orders of magnitude and are skewed; their logarithm is
    nearly symmetric. Median and median absolute deviation are not moved by a few bad windows
    among the held-out ones.

    Attributes:
        centre: the median of ln(error) on held-out normal windows.
        width: 1.4826 times its median absolute deviation, which for a Gaussian is its deviation.
    """

    centre: float
    width: float

    @classmethod
    def fit(cls, errors: Array) -> "NormalScore":
        """What is normal, from mean squared errors `[N]` of held-out normal windows."""
        logs = np.log(errors + _FLOOR)
        centre = float(np.median(logs))
        deviation = 1.4826 * float(np.median(np.abs(logs - centre)))
        return cls(centre, max(deviation, _NARROWEST))

    def score(self, errors: Array) -> Array:
        """The score of each error."""
        scores: Array = (np.log(errors + _FLOOR) - self.centre) / self.width
        return scores

    def compile(self, build: GraphBuilder, error: ir.Value) -> ir.Value:
        """The same as nodes: float32 `[1]` of float32 `[1]`."""
        logarithm = build.op("Log", build.op("Add", error, np.float32(_FLOOR)))
        centred = build.op("Sub", logarithm, np.float32(self.centre))
        return build.op("Mul", centred, np.float32(1 / self.width))

    def threshold(self, errors: Array, false_alarm_rate: float) -> float:
        """The score that a share of `false_alarm_rate` of normal windows exceeds.

        Where the held-out windows are enough, at least ten above it, it is their quantile. Where
        they are too few to have seen it, their tail is extended: excesses over the 90 % quantile
        are taken as exponential, which is peaks over threshold with shape 0 (Pickands, 1975, Annals
        of Statistics 3, 119; for streams Siffer et al., KDD 2017). On this logarithmic scale that
        gives errors a power law, the heavy tail that real machines have.
        """
        scores = self.score(errors)
        if len(scores) * false_alarm_rate >= _FEWEST_ABOVE:
            return float(np.quantile(scores, 1 - false_alarm_rate))
        start = float(np.quantile(scores, 1 - _TAIL_SHARE))
        excess = float(np.mean(scores[scores > start] - start)) if (scores > start).any() else 0.1
        return start + excess * math.log(_TAIL_SHARE / false_alarm_rate)
