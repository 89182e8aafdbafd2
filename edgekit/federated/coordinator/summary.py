"""A job in numbers and lines, for people and for programs: pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from edgekit.federated.coordinator.course import Course
from edgekit.federated.coordinator.judging import best_of
from edgekit.federated.coordinator.picture import absences, there
from edgekit.federated.coordinator.rounds import Rounds
from edgekit.federated.report import Round


@dataclass(frozen=True)
class Summary:
    """Where a job is.

    Attributes:
        job: its name.
        fleet: of which fleet.
        state: whether it goes on.
        reason: why it does not.
        done: how many rounds count.
        rounds: how many there are to be.
        there: how many boards can take part now.
        absent: why others cannot, by count.
        needed: how many updates the open round takes; `None` where none is open.
        seats: how many boards are how far in it.
        refused: whose updates were refused since the last round, and why.
        waits_s: until the open round ends; `None` where none is open.
        last: the newest rounds.
        best: the number of the round with the best model; `None` before the first.
        epsilon: the privacy budget; `None` for none.
    """

    job: str
    fleet: str
    state: Literal["running", "finished", "stopped"]
    reason: str
    done: int
    rounds: int
    there: int
    absent: Mapping[str, int]
    needed: int | None
    seats: Mapping[str, int]
    refused: Mapping[str, str]
    waits_s: float | None
    last: tuple[Round, ...]
    best: int | None
    epsilon: float | None = None

    def document(self) -> dict[str, object]:
        """As JSON has it."""
        found = asdict(self)
        last = found.pop("last")
        found["last"] = _finite(last[-1]) if last else None
        return found

    def line(self) -> str:
        """In one line."""
        parts = [f"{self.job}: {self.state}, {self.done} of {self.rounds} rounds"]
        if self.last:
            parts.append(said_of(self.last[-1]))
        if self.best is not None:
            parts.append(f"best in round {self.best}")
        return ", ".join(parts) + (f": {self.reason}" if self.reason else "")


def said_of(one: Round) -> str:
    """How good a round's model is, in words."""
    parts = [] if one.accuracy is None else [f"accuracy {one.accuracy:.3f}"]
    parts += [] if one.loss is None else [f"loss {one.loss:.3f}"]
    parts += [] if one.epsilon is None else [f"epsilon {one.epsilon:.2f}"]
    return ", ".join(parts)


def round_line(one: Round, took_part: int) -> str:
    """What a round came to, as a line of the history."""
    parts = [f"round {one.number}: {said_of(one)}", f"{one.updates} updates of {took_part}"]
    if one.refused:
        parts.append(f"{len(one.refused)} refused")
    parts.append(f"{one.bytes_up / 1000:,.1f} kB up")
    if one.bytes_down is not None:
        parts.append(f"{one.bytes_down / 1000:,.1f} kB down")
    if one.label_skew is not None:
        parts.append(f"skew {one.label_skew:.2f}")
    if one.update_divergence is not None:
        parts.append(f"divergence {one.update_divergence:.2f}")
    return ", ".join(parts)


def summarise(
    course: Course,
    *,
    job: str,
    fleet: str,
    rounds: Sequence[Round],
    refused: Mapping[str, str],
    now_s: float,
    epsilon: float | None = None,
) -> Summary:
    """Counts."""
    attempt = course.attempt if isinstance(course, Rounds) else None
    stopped = course.stopped
    best = best_of(rounds)
    return Summary(
        job=job,
        fleet=fleet,
        state="running" if stopped is None else stopped.state,
        reason="" if stopped is None else stopped.why,
        done=course.done,
        rounds=course.rules.count,
        there=len(there(course.boards, course.rules.step)),
        absent=absences(course.boards.values(), course.rules.step),
        needed=None if attempt is None else attempt.needed,
        seats=dict(sorted(Counter(seat.state for seat in course.seats.values()).items())),
        refused=dict(refused),
        waits_s=None if attempt is None else round(max(0.0, attempt.due_s - now_s), 1),
        last=tuple(rounds[-8:]),
        best=None if best is None else best.number,
        epsilon=epsilon,
    )


def _finite(document: dict[str, object]) -> dict[str, object]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in document.items()
    }
