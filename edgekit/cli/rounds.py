"""How rounds look in a terminal: a table that grows, with a bar; elsewhere a line a round."""

from types import TracebackType
from typing import TYPE_CHECKING

import click

_LESS_NEEDED = ("divergence", "skew", "seconds", "kB down", "epsilon RDP", "refused", "chosen")
"""What a narrow terminal goes without, in this order."""

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from edgekit.federated.report import Column, Round


class RoundsView:
    """Shows each round when it is over; a context manager.

    Args:
        total: how many rounds are wanted.
        quiet: show nothing.
        console: to draw on, for tests; standard output where left out.
    """

    def __init__(
        self, total: int, *, quiet: bool = False, console: "Console | None" = None
    ) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        self._quiet = quiet
        self._rounds: list[Round] = []
        self._columns: list[Column] = []
        self._console = console or Console()
        self._live: Live | None = None
        if self._console.is_terminal and not quiet:
            self._bar = Progress(
                "[bold]round", MofNCompleteColumn(), BarColumn(), TimeRemainingColumn()
            )
            self._task = self._bar.add_task("rounds", total=total)
            self._live = Live(console=self._console, auto_refresh=False)

    def __enter__(self) -> "RoundsView":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, one: "Round") -> None:
        """Adds a round."""
        from edgekit.federated.report import columns_for

        if self._quiet:
            return
        self._rounds.append(one)
        self._columns = self._columns or columns_for([one])
        if self._live is None:
            if len(self._rounds) == 1:
                click.echo("  ".join(f"{c.title:>{_width(c)}}" for c in self._columns))
            click.echo("  ".join(f"{c.text(one):>{_width(c)}}" for c in self._columns))
            return
        self._bar.update(self._task, completed=one.number)
        self._live.update(self._drawing(), refresh=True)

    def _drawing(self) -> "RenderableType":
        from rich.console import Group
        from rich.table import Table

        columns = _fitting(self._columns, self._console.width)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column.title, justify="right", no_wrap=True)
        room = max(5, self._console.height - 4)
        for one in self._rounds[-room:]:
            table.add_row(*(column.text(one) for column in columns))
        return Group(table, self._bar)


def _fitting(columns: "list[Column]", width: int) -> "list[Column]":
    kept = list(columns)
    for title in _LESS_NEEDED:
        if sum(_width(column) + 1 for column in kept) <= width:
            break
        kept = [column for column in kept if column.title != title]
    return kept


def _width(column: "Column") -> int:
    return max(7, len(column.title))
