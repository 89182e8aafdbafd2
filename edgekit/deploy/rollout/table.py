"""How a rollout looks in a terminal: a table that is drawn anew, or a line a change."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from edgekit.deploy.rollout.state import Change
from edgekit.deploy.rollout.summary import Summary

if TYPE_CHECKING:
    from rich.console import RenderableType

_CELLS = 40
_STYLES = {"finished": "green", "stopped": "red", "aborted": "red", "paused": "yellow"}


def printable(text: str) -> str:
    """The text without control characters, which could move the cursor or worse."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def change_line(change: Change) -> str:
    """A change as a line."""
    when = f"{datetime.fromtimestamp(change.at_ms / 1000, UTC).astimezone():%H:%M:%S}"
    return printable(f"{when}  {change.who or 'rollout'}: {change.what}")


def closing_lines(summary: Summary) -> list[str]:
    """What to say at the end: where it is, and why boards failed."""
    lines = [summary.line()]
    for reason in summary.reasons:
        more = ", ..." if reason.count > len(reason.boards) else ""
        boards = ", ".join(reason.boards) + more
        lines.append(f"  {reason.count} failed: {reason.example} ({boards})")
    return [printable(line) for line in lines]


def drawing(summary: Summary) -> "RenderableType":
    """The rollout as a table."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = Text(printable(f"{summary.rollout}  {summary.bundle}  fleet {summary.fleet}  "))
    head.append(summary.state, style=_STYLES.get(summary.state, "cyan"))
    if summary.reason:
        head.append(printable(f": {summary.reason}"))
    table = Table("boards", "", "", box=None, pad_edge=False)
    for what, count, style in _rows(summary):
        if count:
            table.add_row(what, str(count), Text(bar(count, summary.boards), style=style))
    waits = "" if summary.waits_s is None else f", at most {summary.waits_s:.0f} s more"
    size = f"up to {summary.wave_size} of {summary.boards} boards"
    wave = f"wave {summary.wave} of {summary.waves}: {size}{waits}"
    reasons = [Text(line, style="red") for line in closing_lines(summary)[1:]]
    return Group(head, Text(wave, style="dim"), table, *reasons)


def bar(count: int, total: int, cells: int = _CELLS) -> str:
    """A bar, with a cell for whatever is not nothing."""
    return "█" * max(1, round(cells * count / total)) if count and total else ""


def _rows(summary: Summary) -> list[tuple[str, int, str]]:
    untold = summary.boards - summary.begun - summary.already - summary.away - summary.reverted
    return [
        ("committed", summary.committed, "green"),
        *((phase, count, "cyan") for phase, count in summary.phases.items()),
        ("failed", summary.failed, "red"),
        ("late", summary.late, "yellow"),
        ("went back", summary.reverted, "yellow"),
        ("already there", summary.already, "dim"),
        ("not begun", untold, "dim"),
        ("away", summary.away, "dim"),
    ]
