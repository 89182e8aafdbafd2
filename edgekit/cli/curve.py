"""The curve of a training, drawn in the terminal while it grows."""

from collections.abc import Callable, Sequence
from itertools import groupby
from math import log
from operator import itemgetter
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from edgekit.train import Epoch

_WIDTH, _HEIGHT = 60, 8
_LEAST = 1e-12
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each of a braille character's dots, by row and column (Unicode, block 2800)."""
_EMPTY = 0x2800
_STYLES = ("bright_black", "cyan")
_APART_S = 0.1
"""How long a picture stays at least: drawing costs time that training needs."""


class LiveCurve:
    """Draws the loss of each epoch on standard error; where that is no terminal, nothing.

    It shows the progress of `edgekit.train.fit`, and hears of epochs. The scale is logarithmic.

    Args:
        console: where to draw.
        clock: seconds.
    """

    def __init__(
        self, console: Console | None = None, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._console = console or Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._title = ""
        self._epochs: list[Epoch] = []
        self._step = ""
        self._clock, self._drawn_at = clock, -_APART_S

    def __enter__(self) -> "LiveCurve":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def count(self, title: str, done: int, total: int) -> None:
        """Shows how many steps are done."""
        self._step = f"step {done}/{total}"
        self._draw()

    def add(self, title: str, epoch: "Epoch") -> None:
        """Shows an epoch; another title begins another curve."""
        if title != self._title:
            self._title, self._epochs = title, []
        self._epochs.append(epoch)
        self._draw()

    def _draw(self) -> None:
        if self._live.is_started and self._clock() - self._drawn_at >= _APART_S:
            self._drawn_at = self._clock()
            self._live.update(self._picture(), refresh=True)

    def _picture(self) -> Group:
        losses = [epoch.loss for epoch in self._epochs]
        judged = [e.validation_loss for e in self._epochs if e.validation_loss is not None]
        head = Text(f"{self._title}  {self._step}".strip())
        if not losses:
            return Group(head)
        last = self._epochs[-1]
        head.append(f"  epoch {last.number}  loss {last.loss:.4g}")
        if last.validation_loss is not None:
            head.append(f"  validation {last.validation_loss:.4g}", style=_STYLES[1])
        if last.score is not None:
            head.append(f"  score {last.score:.2%}", style="bold")
        width = max(10, min(_WIDTH, self._console.width - 12))
        heights = [[log(max(loss, _LEAST)) for loss in one] for one in (losses, judged)]
        rows = plotted(heights, width=width, height=_HEIGHT)
        top, bottom = max(losses + judged), min(losses + judged)
        lines = []
        for number, row in enumerate(rows):
            mark = top if number == 0 else bottom if number == _HEIGHT - 1 else None
            line = Text(f"{mark:>9.3g} " if mark is not None else " " * 10, style="dim")
            for series, run in groupby(row, key=itemgetter(1)):
                line.append("".join(character for character, _ in run), style=_STYLES[series])
            lines.append(line)
        return Group(head, *lines)


def plotted(
    series: Sequence[Sequence[float]], *, width: int, height: int
) -> list[list[tuple[str, int]]]:
    """Curves in braille characters, 2 x 4 dots each.

    Args:
        series: the values of each curve from left to right; all share one scale.
        width: characters a row.
        height: rows.

    Returns:
        Rows from the top, each of characters with the number of the last curve that goes through.
    """
    values = [value for one in series for value in one]
    low, high = min(values, default=0.0), max(values, default=1.0)
    longest = max(map(len, series), default=0)
    bits = [[0] * width for _ in range(height)]
    owner = [[0] * width for _ in range(height)]
    for number, one in enumerate(series):
        before: int | None = None
        for x in range(2 * width if len(one) > 1 else len(one)):
            at = x / (2 * width - 1) * (longest - 1)
            if at > len(one) - 1:
                break
            left = min(int(at), max(0, len(one) - 2))
            right = min(left + 1, len(one) - 1)
            value = one[left] + (at - left) * (one[right] - one[left])
            share = (high - value) / (high - low) if high > low else 0.5
            y = round(share * (4 * height - 1))
            steep = () if before is None else range(min(before, y) + 1, max(before, y))
            for dot in (y, *steep):
                bits[dot // 4][x // 2] |= _DOTS[dot % 4][x % 2]
                owner[dot // 4][x // 2] = number
            before = y
    return [
        [(chr(_EMPTY + bit), number) for bit, number in zip(row, owned, strict=True)]
        for row, owned in zip(bits, owner, strict=True)
    ]
