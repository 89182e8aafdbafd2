"""Says when the power is cut, and judges what came up afterwards: pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tools.power_cuts.looking import Report

Kind = Literal["power cut", "reset"]
When = Literal["refreshing", "downloading", "unpacking", "testing", "trial", "committed", "start"]

_KINDS: tuple[Kind, ...] = ("power cut", "power cut", "power cut", "reset")
_LONGEST_DELAY_S: dict[When, float] = {
    "refreshing": 2.0,
    "downloading": 1.0,
    "unpacking": 3.0,
    "testing": 2.0,
    "trial": 9.0,
    "committed": 1.0,
    "start": 15.0,
}


@dataclass(frozen=True)
class Plan:
    """One cut to make.

    Attributes:
        when: the step of an update after whose beginning it comes, or `start`: the board's own.
        delay_s: how long after.
        kind: how.
    """

    when: When
    delay_s: float
    kind: Kind

    @property
    def cuts(self) -> int:
        """How often the power fails."""
        return 2 if self.when == "start" else 1


def plans(count: int, rng: random.Random) -> list[Plan]:
    """Cuts that are spread over all steps; about every fourth is a reset.

    Args:
        count: how many. One that is aimed at a start is two: the start is one after a cut.
        rng: chooses the order and the moments.
    """
    made: list[Plan] = []
    turn: list[When] = []
    while sum(plan.cuts for plan in made) < count:
        if not turn:
            turn = [*_LONGEST_DELAY_S, "start"]
            rng.shuffle(turn)
        when, kind = turn.pop(), _KINDS[len(made) % 4]
        made.append(Plan(when, rng.uniform(0, _LONGEST_DELAY_S[when]), kind))
    return made


@dataclass(frozen=True)
class Promise:
    """What a board may answer with after a cut.

    Attributes:
        before: what it ran when the update began.
        after: what was hinted at.
        is_committed: whether it had said that the new one is committed.
    """

    before: str
    after: str
    is_committed: bool = False

    @property
    def allowed(self) -> tuple[str, ...]:
        """The versions."""
        return (self.after,) if self.is_committed else (self.before, self.after)


def complaints(report: Report, promise: Promise, *, disk: str | None) -> list[str]:
    """What is wrong with a board that came up.

    Args:
        report: of the board.
        promise: what it may answer with.
        disk: what e2fsck found wrong, if it did.
    """
    wrong = [*report.damaged, *report.trouble]
    if report.answers not in promise.allowed:
        wrong.append(f"answers with {report.answers}, not with {' or '.join(promise.allowed)}")
    if report.restarts:
        wrong.append(f"systemd had to restart the daemon {report.restarts} times")
    if disk is not None:
        wrong.append(f"the file system is damaged: {disk}")
    return wrong


@dataclass(frozen=True)
class Row:
    """One cut, and what came up after it."""

    number: int
    plan: Plan
    seen: str
    promise: Promise
    disk: str
    report: Report
    wrong: Sequence[str]

    def cells(self) -> tuple[str, ...]:
        """For a table."""
        return (
            str(self.number),
            self.plan.kind,
            self.plan.when,
            self.seen,
            f"{self.promise.before} -> {self.promise.after}",
            self.report.answers or "nothing",
            self.report.state.phase,
            self.disk,
            "; ".join(self.wrong) or "well",
        )


HEADINGS = (
    "cut", "how", "aimed at", "last step told", "update", "came up with", "slots say", "disk", "all"
)  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [HEADINGS, tuple("---" for _ in HEADINGS), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
