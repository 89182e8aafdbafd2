"""What the doctor finds: one line of what, and one of what to do."""

from typing import Literal

import msgspec

Grade = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Attributes:
        grade: `problem` keeps the board from its work, `warning` may do so later.
        about: what was looked at, such as `disk` or `pipelines.door.camera`.
        what: how it is.
        advice: what to do, where there is something to do.
    """

    grade: Grade
    about: str
    what: str
    advice: str = ""


def ok(about: str, what: str) -> Finding:
    """In order."""
    return Finding("ok", about, what)


def warning(about: str, what: str, advice: str) -> Finding:
    """May become a problem."""
    return Finding("warning", about, what, advice)


def problem(about: str, what: str, advice: str) -> Finding:
    """Keeps the board from its work."""
    return Finding("problem", about, what, advice)
