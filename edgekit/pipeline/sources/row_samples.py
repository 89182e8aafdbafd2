"""Makes samples of rows."""

import time
from collections.abc import Callable

from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.row_fields import BadRow, Row


def sample_of(
    row: Row | BadRow,
    name: str,
    *,
    clock_ns: Callable[[], int] = time.monotonic_ns,
    time_ns: Callable[[], int] = time.time_ns,
) -> Sample | Refusal:
    """The sample of a row that was read just now, or why there is none.

    Args:
        row: float64 `[columns]`. Where it has no time of its own, it was taken now.
        name: what it comes from, for people; `origin` is this and the line.
        clock_ns: the monotonic clock.
        time_ns: the time since 1970.
    """
    if isinstance(row, BadRow):
        return Refusal(row.reason)
    return Sample(
        row.values,
        taken_at_ns=clock_ns(),
        taken_at_ms=time_ns() // 1_000_000 if row.taken_at_ms is None else row.taken_at_ms,
        origin=f"{name}:{row.line}",
    )
