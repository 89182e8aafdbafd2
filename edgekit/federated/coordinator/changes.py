"""A line of a job's history."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """A line of a job's history.

    Attributes:
        at_ms: when, in milliseconds since 1970 UTC.
        who: the board; empty for the job as a whole.
        what: what became of it.
    """

    at_ms: int
    who: str
    what: str
