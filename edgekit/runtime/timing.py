"""Times several ways of doing the same thing side by side, so that noise hits all alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Ratio:
    """How one way's time compares with another's, round by round: median, and the middle 80 %."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f}-{self.high:.3f})"


def interleaved(
    ways: Mapping[str, Callable[[], Any]], *, rounds: int, warmup: int = 3
) -> dict[str, npt.NDArray[np.int64]]:
    """Runs every way once a round, in an order that turns about, and gives nanoseconds a round."""
    names = list(ways)
    times = {name: np.empty(rounds, np.int64) for name in names}
    for _ in range(warmup):
        for way in ways.values():
            way()
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            started = perf_counter_ns()
            ways[name]()
            times[name][number] = perf_counter_ns() - started
    return times


def ratio(of: npt.NDArray[np.int64], to: npt.NDArray[np.int64]) -> Ratio:
    """`of / to`, round by round."""
    low, median, high = np.quantile(of / to, [0.1, 0.5, 0.9])
    return Ratio(float(median), float(low), float(high))
