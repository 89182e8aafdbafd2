"""How the Numenta Anomaly Benchmark scores alarms: Lavin and Ahmad, 2015, arXiv:1510.03336."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array

FALSE_ALARM_COST = 0.11
"""Of the standard profile; a window that was found or missed is worth 1."""


@dataclass(frozen=True)
class Stream:
    """One labelled stream.

    Attributes:
        name: its file, from the corpus's data folder.
        rows: float64 `[N, 1]`.
        windows: the first and last row of each labelled window, in order.
    """

    name: str
    rows: Array
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """How many rows are for learning: 15 %, and never more than 750."""
        return int(min(0.15 * len(self.rows), 750))


@dataclass(frozen=True)
class Outcome:
    """What alarms on one or more streams are worth.

    Attributes:
        points: NAB's raw points.
        windows: labelled windows after probation.
        hits: those with an alarm.
        false_alarms: alarms outside any window.
        normal_rows: rows outside any window, after probation.
    """

    points: float
    windows: int
    hits: int
    false_alarms: int
    normal_rows: int

    @property
    def score(self) -> float:
        """0 for a detector that says nothing, 100 for a perfect one; it has no lower end."""
        return 50 * (self.points + self.windows) / self.windows

    @property
    def false_alarms_per_1000(self) -> float:
        """False alarms per 1,000 rows outside windows."""
        return 1000 * self.false_alarms / self.normal_rows


def judged(stream: Stream, alarms: Array) -> Outcome:
    """What alarms, bool `[N]`, are worth: each window by its first one, every other one costs."""
    points, found = _points(stream)
    counted = np.arange(len(alarms)) >= stream.probation
    false = alarms & counted & (found < 0)
    total = FALSE_ALARM_COST * float(points[false].sum())
    hits = windows = 0
    for number in range(len(stream.windows)):
        inside = counted & (found == number)
        if inside.any():
            windows += 1
            hit = alarms & inside
            hits += bool(hit.any())
            total += float(points[hit].max()) if hit.any() else -1.0
    return Outcome(total, windows, hits, int(false.sum()), int((counted & (found < 0)).sum()))


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """The sum over streams."""
    return Outcome(
        sum(outcome.points for outcome in outcomes),
        sum(outcome.windows for outcome in outcomes),
        sum(outcome.hits for outcome in outcomes),
        sum(outcome.false_alarms for outcome in outcomes),
        sum(outcome.normal_rows for outcome in outcomes),
    )


def first_of_each_run(alarms: Array, *, quiet_rows: int) -> Array:
    """Alarms, bool `[N]`, without those that follow another by at most `quiet_rows` rows.

    A run that goes on stays one alarm, as it does for whoever is woken by it.
    """
    kept = np.zeros_like(alarms)
    raised = np.flatnonzero(alarms)
    if len(raised):
        kept[raised[np.diff(raised, prepend=-quiet_rows - 1) > quiet_rows]] = True
        kept[raised[0]] = True
    return kept


def _points(stream: Stream) -> tuple[Array, Array]:
    """What an alarm at each row is worth, and the window the row is in, or -1."""
    row = np.arange(len(stream.rows))
    points, found = np.full(len(row), -1.0), np.full(len(row), -1)
    for number, (first, last) in enumerate(stream.windows):
        width = last - first + 1
        after = row > last
        points[after] = _sigmoid((row[after] - last) / max(width - 1, 1))
        inside = (row >= first) & (row <= last)
        points[inside] = _sigmoid(-(last - row[inside] + 1) / width) / _sigmoid(np.array(-1.0))
        found[inside] = number
    return points, found


def _sigmoid(position: Array) -> Array:
    """From 1, early in a window (-1), by 0 at its end (0), to -1 three widths after it."""
    scaled: Array = 2 / (1 + np.exp(5 * np.minimum(position, 3.0))) - 1
    return np.where(position >= 3, -1.0, scaled)
