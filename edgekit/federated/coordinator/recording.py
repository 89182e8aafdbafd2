"""What a round came to, as it is kept and reported."""

from collections.abc import Mapping, Sequence

import numpy as np

from edgekit.federated.coordinator.combining import Combined
from edgekit.federated.coordinator.course import Course
from edgekit.federated.coordinator.picture import Board
from edgekit.federated.coordinator.post import Traffic
from edgekit.federated.coordinator.rounds import Rounds
from edgekit.federated.measures import label_skew
from edgekit.federated.report import Round


def round_of(
    made: Combined,
    course: Course,
    updates: Sequence[tuple[int, str]],
    *,
    chosen: int | None,
    refused: Mapping[str, str],
    traffic: Traffic,
    seconds: float,
) -> Round:
    """What a round came to, before it is committed.

    Args:
        made: of the updates.
        course: before it hears of that.
        updates: which were combined: round and board.
        chosen: how many boards were invited; `None` where there are no cohorts.
        refused: whose updates were refused since the last round, and why.
        traffic: since then.
        seconds: since it began.
    """
    budget = course.budget if isinstance(course, Rounds) else None
    spent = None if budget is None else budget.spent()
    return Round(
        number=course.done + 1,
        accuracy=made.accuracy,
        loss=made.loss,
        updates=len(updates),
        refused=dict(sorted(refused.items())),
        bytes_up=traffic.up,
        label_skew=skew_of([course.boards.get(name, Board(name)) for _, name in updates]),
        update_divergence=made.divergence,
        chosen=chosen,
        bytes_down=traffic.down,
        epsilon_rdp=None if spent is None else spent.rdp,
        epsilon_pld=None if spent is None else spent.pld,
        seconds=round(seconds, 3),
    )


def skew_of(boards: Sequence[Board]) -> float | None:
    """The label skew of boards, as far as they tell their classes; `None` where too few do."""
    told = [board.classes for board in boards if board.classes and sum(board.classes) > 0]
    longest = max(map(len, told), default=0)
    if len(told) < 2:
        return None
    counts = np.array([[max(0.0, n) for n in one] + [0.0] * (longest - len(one)) for one in told])
    return label_skew(counts) if counts.sum(axis=1).all() else None
