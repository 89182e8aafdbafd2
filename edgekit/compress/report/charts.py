"""The report's charts, as numbers that the page's template draws: bars in CSS, one plot in SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgekit.compress.report.document import FrontPoint, Report
from edgekit.compress.report.table import kilobytes, percent

WIDTH, HEIGHT = 640, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 16, 44


@dataclass(frozen=True)
class Bar:
    """One bar: its name, its share of the longest, what stands beside it, and its style."""

    name: str
    share: float
    label: str
    style: str = "now"


@dataclass(frozen=True)
class Tick:
    """A mark on an axis of the plot: where, in pixels, and what stands there."""

    at: float
    label: str


@dataclass(frozen=True)
class Dot:
    """A candidate on the plot."""

    x: float
    y: float
    point: FrontPoint


@dataclass(frozen=True)
class Plot:
    """Size against agreement, one dot a candidate, the front joined by a line."""

    dots: list[Dot]
    line: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    width: int = field(default=WIDTH)
    height: int = field(default=HEIGHT)
    left: int = field(default=_LEFT)
    right: int = field(default=WIDTH - _RIGHT)
    top: int = field(default=_TOP)
    bottom: int = field(default=HEIGHT - _BOTTOM)


def headline(report: Report) -> list[tuple[str, list[Bar]]]:
    """The three charts at the top: size as it travels, time, and agreement or accuracy."""
    was, artifacts = report.original, report.artifacts
    names = [str(artifact.engine) for artifact in artifacts]
    names = ["artifact"] if len(names) == 1 else names
    sizes = [was.travels_bytes or was.size_bytes] + [
        (
            artifact.measured.travels_bytes
            if was.travels_bytes is not None
            else artifact.measured.size_bytes
        )
        or artifact.measured.size_bytes
        for artifact in artifacts
    ]
    times = [report.original_milliseconds, *(artifact.milliseconds for artifact in artifacts)]
    under = " under xz" if was.travels_bytes is not None else ""
    found = [
        (
            f"Size of the model file{under}",
            _bars(names, sizes, [kilobytes(size) for size in sizes]),
        ),
        ("Time for one sample, one thread", _bars(names, times, [f"{t:.2f} ms" for t in times])),
    ]
    agreements = [artifact.measured.agreement or 0.0 for artifact in artifacts]
    if was.top1 is not None:
        tops = [was.top1, *(artifact.measured.top1 or 0.0 for artifact in artifacts)]
        title = f"Top-1 accuracy, {was.samples} samples"
        found.append((title, _bars(names, tops, [percent(top) for top in tops], most=1.0)))
    bars = [Bar(name, share, percent(share)) for name, share in zip(names, agreements, strict=True)]
    found.append((f"Same answer as the original, {report.held_out} held out", bars))
    return found


def layer_bars(report: Report) -> list[tuple[str, list[Bar]]]:
    """For each layer its bytes before, after, and after under xz."""
    sizes = [
        size
        for layer in report.layers
        for size in (layer.original_bytes, layer.artifact_bytes)
        if size is not None
    ]
    most = max(sizes, default=1) or 1
    found = []
    for layer in report.layers:
        three = (
            ("was", layer.original_bytes),
            ("now", layer.artifact_bytes),
            ("xz", layer.artifact_squeezed_bytes),
        )
        bars = [
            Bar(name, size / most, kilobytes(size), name)
            for name, size in three
            if size is not None
        ]
        found.append((layer.name, bars))
    return found


def sensitivity_bars(report: Report) -> list[Bar]:
    """The layers that matter most, worst first."""
    most = max((layer.kl for layer in report.sensitivity), default=0) or 1.0
    worst = sorted(report.sensitivity, key=lambda layer: -layer.kl)[:20]
    return [Bar(layer.name, layer.kl / most, f"{layer.kl:.3g}") for layer in worst]


def front_chart(report: Report) -> Plot | None:
    """The plot of a search's candidates, or `None` where there was no search."""
    points = report.front
    if not points:
        return None
    sizes = [point.size_bytes for point in points]
    shares = [point.agreement for point in points]
    x_ticks, x_low, x_high = axis(min(sizes), max(sizes))
    y_ticks, y_low, y_high = axis(min(shares), max(shares), most=1.0)

    def x(size: float) -> float:
        span = (size - x_low) / (x_high - x_low)
        return round(_LEFT + span * (WIDTH - _LEFT - _RIGHT), 1)

    def y(share: float) -> float:
        span = (share - y_low) / (y_high - y_low)
        return round(HEIGHT - _BOTTOM - span * (HEIGHT - _TOP - _BOTTOM), 1)

    dots = [Dot(x(point.size_bytes), y(point.agreement), point) for point in points]
    front: list[Dot] = []
    for dot in sorted(dots, key=lambda dot: (dot.x, dot.y)):
        if not front or dot.y < front[-1].y:  # the line joins those that a bigger one must beat
            front.append(dot)
    return Plot(
        dots=dots,
        line=" ".join(f"{dot.x},{dot.y}" for dot in front),
        x_ticks=[Tick(x(tick), f"{tick / 1000:g}") for tick in x_ticks],
        y_ticks=[Tick(y(tick), f"{tick * 100:g} %") for tick in y_ticks],
    )


def _bars(
    names: Sequence[str], values: Sequence[float], labels: list[str], most: float | None = None
) -> list[Bar]:
    most = most or max(values) or 1
    styles = ["was", *["now"] * len(names)]
    return [
        Bar(name, value / most, label, style)
        for name, value, label, style in zip(
            ["original", *names], values, labels, styles, strict=True
        )
    ]


def axis(low: float, high: float, *, most: float = math.inf) -> tuple[list[float], float, float]:
    """Round numbers that span `low` to `high`, and the ends of the axis."""
    span = max(high - low, abs(high) * 0.02, 1e-9)
    step = 10 ** math.floor(math.log10(span))
    step = next(step * factor for factor in (0.2, 0.25, 0.5, 1, 2) if span / (step * factor) <= 6)
    first, last = math.floor(low / step), math.ceil(min(high, most) / step)
    if first == last:
        first -= 1
    ticks = [round(number * step, 10) for number in range(first, last + 1)]
    return ticks, ticks[0], ticks[-1]
