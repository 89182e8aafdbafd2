"""How commands show things: tables, JSON and progress. Progress and logs go to standard error."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import click
import msgspec

T = TypeVar("T")


def json_document(document: Any) -> None:
    """Prints one JSON document."""
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def table(
    rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), header: bool = False
) -> None:
    """Prints rows in columns.

    Args:
        rows: the cells.
        right: the columns that are numbers.
        header: whether the first row names the columns.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  ".join(cells).rstrip()
        click.echo(click.style(line, bold=True) if header and number == 0 else line)


class Bars:
    """Progress bars on standard error; where that is no terminal, only what is worth a line."""

    def track(self, items: Iterable[T], title: str, *, total: int) -> Iterator[T]:
        """Gives the items, and moves a bar."""
        with click.progressbar(
            items, length=total, label=f"{title:<28}", file=sys.stderr, hidden=not _is_watched()
        ) as bar:
            yield from bar

    def count(self, title: str, done: int, total: int) -> None:
        """Shows work that counts its own steps, on one line."""
        if _is_watched():
            end = "\n" if done >= total else ""
            click.echo(f"\r{title:<28}  {done}/{total}\033[K{end}", err=True, nl=False)

    def say(self, text: str) -> None:
        """Says something that is worth a line."""
        click.echo(text, err=True)


def _is_watched() -> bool:
    return sys.stderr.isatty()
