"""Draws panels of lines over time, as one SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _LEFT, _GAP = 860, 110, 70, 46
_COLOURS = ("#2563eb", "#dc2626", "#059669")


@dataclass(frozen=True)
class Panel:
    """Lines that share an axis, by their names."""

    title: str
    lines: Mapping[str, Sequence[float]]


def plot(
    minutes: Sequence[float], panels: Sequence[Panel], marks: Sequence[tuple[float, str]] = ()
) -> str:
    """The panels one below the other, with a line at each mark.

    Args:
        minutes: the times, rising.
        panels: what to draw; each line has a value a time.
        marks: times and words.
    """
    last = max(minutes, default=1.0) or 1.0
    height = len(panels) * (_HEIGHT + _GAP) + 60
    width = _WIDTH + _LEFT + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, minutes, last, top=28 + number * (_HEIGHT + _GAP))
    bottom = 28 + len(panels) * (_HEIGHT + _GAP) - _GAP
    for minute, word in marks:
        x = _LEFT + _WIDTH * minute / last
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="28" y2="{bottom}" stroke="#9ca3af" '
            f'stroke-dasharray="2 4"><title>{escape(word)}</title></line>'
        )
    words = sorted({word for _, word in marks})
    note = f"minutes; dashed: {', '.join(words)} in turn" if words else "minutes"
    parts.append(f'<text x="{_LEFT}" y="{bottom + 34}" fill="#4b5563">{escape(note)}</text></svg>')
    return "\n".join(parts)


def _panel(panel: Panel, minutes: Sequence[float], last: float, *, top: float) -> list[str]:
    most = max((max(line, default=0) for line in panel.lines.values()), default=0) or 1.0
    parts = [f'<text x="{_LEFT}" y="{top - 8}" font-weight="bold">{escape(panel.title)}</text>']
    for share in (0, 0.5, 1):
        y = top + _HEIGHT * (1 - share)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{y}" y2="{y}" stroke="#e5e7eb"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{most * share:,.0f}</text>'
        )
    for tick in range(0, int(last) + 1, max(1, int(last) // 6)):
        x = _LEFT + _WIDTH * tick / last
        parts.append(
            f'<text x="{x:.1f}" y="{top + _HEIGHT + 15}" text-anchor="middle" '
            f'fill="#6b7280">{tick}</text>'
        )
    for colour, (name, values) in zip(_COLOURS, panel.lines.items(), strict=False):
        points = " ".join(
            f"{_LEFT + _WIDTH * minute / last:.1f},{top + _HEIGHT * (1 - value / most):.1f}"
            for minute, value in zip(minutes, values, strict=True)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        if len(panel.lines) > 1:
            x = _LEFT + _WIDTH - 60 * (len(panel.lines) - list(panel.lines).index(name))
            parts.append(f'<text x="{x}" y="{top - 8}" fill="{colour}">{escape(name)}</text>')
    return parts
