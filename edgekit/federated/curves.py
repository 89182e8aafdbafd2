"""Line charts as SVG that needs no other file: axes with units, and a legend where it helps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 16, 16, 52
_LETTER = 8
_ENDLESS = 1e30
_COLOURS = ("#0b66c3", "#c2410c", "#15803d", "#7c3aed", "#a16207", "#be185d", "#0f766e", "#475569")
_TEXT = "font-family:system-ui,sans-serif;font-size:13px"


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: in the legend; empty for none.
        points: x and y; a y of `None`, or beyond 1e30, leaves a gap.
        spread: for each point how far it may be off, up and down; empty where that is not known.
        dashed: for what is not measured, such as a limit.
    """

    name: str
    points: Sequence[tuple[float, float | None]]
    spread: Sequence[float] = ()
    dashed: bool = False


def chart(
    lines: Sequence[Line], *, x: str, y: str, from_zero: bool = False, whole_x: bool = False
) -> str:
    """An SVG element.

    Args:
        lines: at most eight have a colour of their own.
        x: what goes to the right, with its unit.
        y: what goes up, with its unit.
        from_zero: whether the axis begins at 0.
        whole_x: whether only whole numbers are marked to the right.
    """
    shown = [(px, py) for line in lines for px, py in line.points if _is_shown(py)]
    if not shown:
        return "<p>Nothing was measured.</p>"
    ups = [py for _, py in shown if py is not None]
    ups += [py + s for line in lines for (_, py), s in _spreads(line)]
    ups += [py - s for line in lines for (_, py), s in _spreads(line)]
    across = _Axis.over([px for px, _ in shown], _LEFT, _WIDTH - _RIGHT, whole=whole_x)
    up = _Axis.over([*ups, *([0.0] if from_zero else [])], _HEIGHT - _BOTTOM, _TOP)
    parts = [_frame(across, up, x, y)]
    for number, line in enumerate(lines):
        parts.append(_drawn(line, across, up, _COLOURS[number % len(_COLOURS)]))
    named = [(n, line) for n, line in enumerate(lines) if line.name]
    legend, more = _legend(named) if len(named) > 1 else ([], 0)
    parts += legend
    height = _HEIGHT + more
    label = escape(f"{y} against {x}", quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{label}" style="{_TEXT}">{"".join(parts)}</svg>'
    )


@dataclass(frozen=True)
class _Axis:
    """Where numbers lie on the picture, and which of them are marked."""

    low: float
    high: float
    begin: float
    end: float
    step: float

    @classmethod
    def over(
        cls, values: Sequence[float], begin: float, end: float, *, whole: bool = False
    ) -> "_Axis":
        low, high = min(values), max(values)
        size = max(abs(low), abs(high))
        if high - low <= 1e-9 * size or size < 1e-30:
            around = size / 2 if size > 1 and not whole else 0.5
            low, high = low - around, high + around
        step = _nice((high - low) / 5)
        step = max(1.0, round(step)) if whole else step
        if not whole:
            low, high = step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)
        return cls(low, high, begin, end, step)

    def at(self, value: float) -> float:
        return self.begin + (self.end - self.begin) * (value - self.low) / (self.high - self.low)

    @property
    def marks(self) -> list[float]:
        first = math.ceil(self.low / self.step - 1e-9)
        last = math.floor(self.high / self.step + 1e-9)
        return [number * self.step for number in range(first, last + 1)]

    def text(self, value: float) -> str:
        if max(abs(self.low), abs(self.high)) >= 1e6:
            return f"{value:.4g}"
        digits = max(0, -math.floor(math.log10(self.step) + 1e-9))
        return f"{value:,.{digits}f}"


def _nice(step: float) -> float:
    """The next larger of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * (1 - 1e-9))


def _frame(across: _Axis, up: _Axis, x: str, y: str) -> str:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = []
    for mark in up.marks:
        at = up.at(mark)
        parts.append(
            f'<path d="M{_LEFT} {at:.1f}H{right}" stroke="currentColor" stroke-opacity=".15"/>'
            f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end" fill="currentColor">'
            f"{up.text(mark)}</text>"
        )
    for mark in across.marks:
        at = across.at(mark)
        parts.append(
            f'<path d="M{at:.1f} {bottom}v5" stroke="currentColor" stroke-opacity=".5"/>'
            f'<text x="{at:.1f}" y="{bottom + 20}" text-anchor="middle" fill="currentColor">'
            f"{across.text(mark)}</text>"
        )
    middle_x, middle_y = (_LEFT + right) / 2, (_TOP + bottom) / 2
    parts.append(
        f'<path d="M{_LEFT} {bottom}H{right}" stroke="currentColor" stroke-opacity=".5"/>'
        f'<text x="{middle_x:.0f}" y="{_HEIGHT - 10}" text-anchor="middle" fill="currentColor">'
        f"{escape(x)}</text>"
        f'<text transform="translate(16 {middle_y:.0f}) rotate(-90)" text-anchor="middle" '
        f'fill="currentColor">{escape(y)}</text>'
    )
    return "".join(parts)


def _drawn(line: Line, across: _Axis, up: _Axis, colour: str) -> str:
    pieces: list[list[str]] = [[]]
    for px, py in line.points:
        if py is not None and _is_shown(py):
            pieces[-1].append(f"{across.at(px):.1f},{up.at(py):.1f}")
        elif pieces[-1]:
            pieces.append([])
    dashes = ' stroke-dasharray="6 5"' if line.dashed else ""
    drawn = [
        f'<polyline points="{" ".join(piece)}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-linejoin="round"{dashes}/>'
        for piece in pieces
        if len(piece) > 1
    ]
    few = sum(map(len, pieces)) <= 40 and not line.dashed
    for piece in pieces:
        for point in piece if few or len(piece) == 1 else []:
            at_x, at_y = point.split(",")
            drawn.append(f'<circle cx="{at_x}" cy="{at_y}" r="2.6" fill="{colour}"/>')
    for (px, py), spread in _spreads(line):
        drawn.append(
            f'<path d="M{across.at(px):.1f} {up.at(py - spread):.1f}V{up.at(py + spread):.1f}" '
            f'stroke="{colour}" stroke-opacity=".45" stroke-width="4"/>'
        )
    return "".join(drawn)


def _legend(named: Sequence[tuple[int, Line]]) -> tuple[list[str], int]:
    """The legend's parts, and how high it is: names side by side while there is room."""
    parts, x, row = [], _LEFT, 0
    for number, line in named:
        width = 34 + _LETTER * len(line.name)
        if x > _LEFT and x + width > _WIDTH:
            x, row = _LEFT, row + 1
        y, colour = _HEIGHT + 6 + 22 * row, _COLOURS[number % len(_COLOURS)]
        dashes = ' stroke-dasharray="6 5"' if line.dashed else ""
        parts.append(
            f'<path d="M{x} {y}h26" stroke="{colour}" stroke-width="2.5"{dashes}/>'
            f'<text x="{x + 34}" y="{y + 4}" fill="currentColor">{escape(line.name)}</text>'
        )
        x += width + 24
    return parts, 22 * (row + 1)


def _spreads(line: Line) -> list[tuple[tuple[float, float], float]]:
    pairs = zip(line.points, line.spread, strict=False)
    return [((px, py), spread) for (px, py), spread in pairs if py is not None and _is_shown(py)]


def _is_shown(value: float | None) -> bool:
    return value is not None and abs(value) < _ENDLESS
