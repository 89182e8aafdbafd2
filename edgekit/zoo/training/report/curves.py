"""The curves of a training, as numbers that the page's template draws in SVG."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edgekit.compress.report.charts import Tick, axis
from edgekit.train import Epoch
from edgekit.zoo.training.outcome import TrainingReport

WIDTH, HEIGHT = 400, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 14, 40


@dataclass(frozen=True)
class Line:
    """One curve: what it is called, how it is drawn, and its points in pixels.

    Attributes:
        name: what it shows.
        style: `now`, `was` or `thin`.
        points: as SVG's polyline takes them.
        last: the point at the end, with its value in words.
    """

    name: str
    style: str
    points: str
    last: tuple[float, float, str]


@dataclass(frozen=True)
class Curves:
    """One plot over the epochs."""

    title: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    best: float | None
    width: int = field(default=WIDTH)
    height: int = field(default=HEIGHT)
    left: int = field(default=_LEFT)
    right: int = field(default=WIDTH - _RIGHT)
    top: int = field(default=_TOP)
    bottom: int = field(default=HEIGHT - _BOTTOM)

    @property
    def keys(self) -> list[tuple[str, str]]:
        """The style and the words of each entry of the legend; all folds share one."""
        alone = [line for line in self.lines if line.style != "thin"]
        keys = [(line.style, f"{line.name} {line.last[2]}") for line in alone]
        return [*keys, ("now", "each fold")] if len(alone) < len(self.lines) else keys


_Series = tuple[str, str, Sequence[float | None]]


def curves_of(report: TrainingReport) -> list[Curves]:
    """The plots of a report: loss, score if there is one, and learning rate."""
    histories = [fold.history for fold in report.folds]
    found = [
        _plot(
            "Loss",
            _each("training", "was", report.history, lambda epoch: epoch.loss)
            + _each("validation", "now", report.history, lambda epoch: epoch.validation_loss)
            + _folds(histories, lambda epoch: epoch.validation_loss),
            report,
        ),
        _plot(
            (report.score or "").replace("-", " ").capitalize() + " on validation",
            _each("validation", "now", report.history, lambda epoch: epoch.score)
            + _folds(histories, lambda epoch: epoch.score),
            report,
            is_share=True,
        ),
        _plot(
            "Learning rate",
            _each("learning rate", "was", report.history, lambda epoch: epoch.rate),
            report,
        ),
    ]
    return [plot for plot in found if plot is not None]


def _each(
    name: str, style: str, history: Sequence[Epoch], of: Callable[[Epoch], float | None]
) -> list[_Series]:
    return [(name, style, [of(epoch) for epoch in history])]


def _folds(
    histories: Sequence[Sequence[Epoch]], of: Callable[[Epoch], float | None]
) -> list[_Series]:
    return [
        (f"fold {number}", "thin", [of(epoch) for epoch in history])
        for number, history in enumerate(histories, 1)
    ]


def _plot(
    title: str, series: Sequence[_Series], report: TrainingReport, *, is_share: bool = False
) -> Curves | None:
    """The plot, or `None` where no curve has a value."""
    shown = [
        (name, style, [(n, v) for n, v in enumerate(values, 1) if v is not None])
        for name, style, values in series
    ]
    shown = [one for one in shown if one[2]]
    if not shown:
        return None
    every = [value for _, _, points in shown for _, value in points]
    epochs = max(number for _, _, points in shown for number, _ in points)
    y_ticks, low, high = axis(min(every), max(every), most=1.0 if is_share else math.inf)

    def x(epoch: float) -> float:
        share = (epoch - 1) / max(1, epochs - 1) if epochs > 1 else 0.5
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        share = (value - low) / (high - low)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)

    def words(value: float) -> str:
        return f"{value:.1%}" if is_share else f"{value:.3g}"

    lines = [
        Line(
            name,
            style,
            " ".join(f"{x(number)},{y(value)}" for number, value in points),
            (x(points[-1][0]), y(points[-1][1]), words(points[-1][1])),
        )
        for name, style, points in shown
    ]
    has_best = any(style == "now" for _, style, _ in shown)
    return Curves(
        title=title,
        lines=lines,
        x_ticks=[Tick(x(number), str(number)) for number in _whole(epochs)],
        y_ticks=[
            Tick(y(tick), f"{tick * 100:g} %" if is_share else f"{tick:g}") for tick in y_ticks
        ],
        best=x(report.best) if has_best else None,
    )


def _whole(epochs: int) -> list[int]:
    """Some epochs to write on the axis: the first, and multiples of a round number."""
    step = next(
        step
        for power in range(12)
        for step in (10**power, 2 * 10**power, 5 * 10**power)
        if epochs / step <= 8
    )
    return sorted({1, *range(step, epochs + 1, step)} - ({step} if step == 2 else set()))
