"""The curve in the terminal."""

import io
from itertools import count

from rich.console import Console

from edgekit.cli.curve import LiveCurve, plotted
from edgekit.train import Epoch


def _text(rows: list[list[tuple[str, int]]]) -> list[str]:
    return ["".join(character for character, _ in row) for row in rows]


def test_a_line_that_falls_goes_from_the_top_left_to_the_bottom_right() -> None:
    rows = _text(plotted([[1.0, 0.0]], width=4, height=2))
    assert rows == ["⠑⢄⠀⠀", "⠀⠀⠑⢄"]


def test_one_value_and_none_are_drawn_too() -> None:
    assert "".join(_text(plotted([[0.5], []], width=3, height=1))) != "⠀⠀⠀"
    assert _text(plotted([], width=2, height=1)) == ["⠀⠀"]


def test_it_is_drawn_on_a_terminal_and_nowhere_else() -> None:
    for is_terminal in (True, False):
        shown = io.StringIO()
        console = Console(file=shown, force_terminal=is_terminal, width=80)
        with LiveCurve(console, clock=count().__next__) as curve:
            curve.count("training", 5, 10)
            for number, loss in enumerate((2.0, 1.0), 1):
                curve.add("", Epoch(number=number, steps=5, loss=loss, rate=0.1, score=0.5))
        assert ("epoch 2  loss 1" in shown.getvalue()) == is_terminal
        assert bool(shown.getvalue()) == is_terminal
