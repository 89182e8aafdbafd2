"""How commands show things: tables, JSON and progress. Progress and logs go to standard error."""

import shutil
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


def warning(text: str) -> None:
    """Says on standard error what a person should mind."""
    width = shutil.get_terminal_size().columns if _is_watched() else 10_000
    lines = click.wrap_text(f"warning: {text}", width=width, subsequent_indent="  ")
    click.secho(lines, fg="yellow", err=True)


class Bars:
    """Progress bars on standard error; where that is no terminal, only what is worth a line."""

    def track(self, items: Iterable[T], title: str, *, total: int) -> Iterator[T]:
        """Gives the items, and moves a bar."""
        with click.progressbar(
            items, length=total, label=f"{title:<28}", file=sys.stderr, hidden=not _is_watched()
        ) as bar:
            yield from bar
        if _is_watched():
            click.echo("\033[1A\033[2K", err=True, nl=False)  # a bar that is full says no more

    def count(self, title: str, done: int, total: int) -> None:
        """Shows work that counts its own steps, on one line."""
        if _is_watched():
            text = "" if done >= total else f"{title:<28}  {done}/{total}"
            click.echo(f"\r{text}\033[K", err=True, nl=False)

    def say(self, text: str) -> None:
        """Says something that is worth a line."""
        click.echo(text, err=True)


def _is_watched() -> bool:
    return sys.stderr.isatty()
