"""How a job looks in a terminal: a table that is drawn anew, or a line a change."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from edgekit.federated.coordinator.changes import Change
from edgekit.federated.coordinator.summary import Summary
from edgekit.federated.report import columns_for

if TYPE_CHECKING:
    from rich.console import RenderableType

_CELLS = 30
_STYLES = {"finished": "green", "stopped": "red"}
_SEAT_STYLES = {
    "delivered": "green",
    "accepted": "cyan",
    "invited": "dim",
    "declined": "yellow",
    "silent": "yellow",
    "refused": "red",
}


def printable(text: str) -> str:
    """The text without control characters, which could move the cursor or worse."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def change_line(change: Change) -> str:
    """A change as a line."""
    when = f"{datetime.fromtimestamp(change.at_ms / 1000, UTC).astimezone():%H:%M:%S}"
    return printable(f"{when}  {change.who or 'job'}: {change.what}")


def closing_lines(summary: Summary) -> list[str]:
    """What to say at the end: where it is, and whose updates were refused since the last round."""
    lines = [summary.line()]
    lines += [f"  refused: {who}: {why}" for who, why in sorted(summary.refused.items())[:20]]
    return [printable(line) for line in lines]


def drawing(summary: Summary, newest: list[Change]) -> "RenderableType":
    """The job as tables.

    Args:
        summary: where it is.
        newest: the end of its history.
    """
    from rich.console import Group
    from rich.table import Column, Table
    from rich.text import Text

    head = Text(printable(f"{summary.job}  fleet {summary.fleet}  "))
    head.append(summary.state, style=_STYLES.get(summary.state, "cyan"))
    head.append(f"  {summary.done} of {summary.rounds} rounds")
    if summary.reason:
        head.append(printable(f": {summary.reason}"))
    seats = Table("boards", "", "", box=None, pad_edge=False)
    total = max(1, sum(summary.seats.values()))
    for state, style in _SEAT_STYLES.items():
        if count := summary.seats.get(state, 0):
            bar = "█" * max(1, round(_CELLS * count / total))
            seats.add_row(state, str(count), Text(bar, style=style))
    absent = ", ".join(f"{count} {why}" for why, count in list(summary.absent.items())[:4])
    place = f"{summary.there} boards are there" + (f"; not {absent}" if absent else "")
    if summary.needed is not None:
        place += f"; the round takes {summary.needed} updates, at most {summary.waits_s:.0f} s more"
    columns = columns_for(summary.last)
    titles = (Column(column.title, justify="right") for column in columns)
    rounds = Table(*titles, box=None, pad_edge=False)
    for one in summary.last:
        style = "bold" if one.number == summary.best else ""
        rounds.add_row(*(column.text(one) for column in columns), style=style)
    parts: list[RenderableType] = [head, Text(printable(place), style="dim"), seats, rounds]
    if summary.epsilon is not None and summary.last and summary.last[-1].epsilon is not None:
        spent = f"epsilon {summary.last[-1].epsilon:.2f} of {summary.epsilon:g} is spent"
        parts.append(Text(spent, style="magenta"))
    parts += [Text(change_line(change), style="dim") for change in newest]
    return Group(*parts)
