"""A rollout in numbers and lines, for people and for programs: pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from edgekit.deploy.rollout.plan import Board, Standing
from edgekit.messaging.payloads import RolloutPlan

_NAMED = 3
_NUMBER = re.compile(r"\d+(?:\.\d+)*")


@dataclass(frozen=True)
class Reason:
    """Why some boards failed, all of them much the same.

    Attributes:
        count: how many.
        example: what one of them said.
        boards: a few of their names.
    """

    count: int
    example: str
    boards: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """Where a rollout is.

    Attributes:
        rollout: its name.
        fleet: of which fleet.
        bundle: name and version.
        state: whether it goes on.
        reason: why it does not.
        wave: from 1.
        waves: how many there are.
        wave_size: how many boards may have begun by the end of this wave.
        boards: how many there are in all.
        begun: how many were told to install.
        committed: how many of those run it.
        failed: how many rolled it back or refused it.
        late: how many no wave waits for any more.
        busy: begun, and neither late nor at an end.
        already: run it though nobody told them here.
        away: offline and not begun.
        reverted: went back afterwards.
        phases: what busy boards do, by count.
        reasons: why boards failed, the most frequent first.
        waits_s: until the next wave, or the end of this one's patience; none where nothing waits.
    """

    rollout: str
    fleet: str
    bundle: str
    state: str
    reason: str
    wave: int
    waves: int
    wave_size: int
    boards: int
    begun: int
    committed: int
    failed: int
    late: int
    busy: int
    already: int
    away: int
    reverted: int
    phases: Mapping[str, int]
    reasons: tuple[Reason, ...]
    waits_s: float | None = None

    def document(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)

    def line(self) -> str:
        """In one line."""
        parts = [
            f"{self.rollout}: {self.state}, wave {self.wave} of {self.waves} "
            f"({self.wave_size} of {self.boards} boards)",
            f"{self.committed} committed",
        ]
        counts = {"busy": self.busy, "failed": self.failed, "late": self.late, "away": self.away}
        counts |= {"already there": self.already, "went back": self.reverted}
        parts += [f"{count} {what}" for what, count in counts.items() if count]
        return ", ".join(parts) + (f": {self.reason}" if self.reason else "")


def summarise(
    rollout: str,
    fleet: str,
    plan: RolloutPlan,
    standing: Standing,
    boards: Mapping[str, Board],
    *,
    waits_s: float | None = None,
) -> Summary:
    """Counts.

    Args:
        rollout: its name.
        fleet: of which fleet.
        plan: what it is to do.
        standing: where it stands.
        boards: by name.
        waits_s: until something falls due.
    """
    known = [boards.get(name) or Board(name) for name in plan.boards]
    begun = [board for board in known if board.has_begun]
    is_late = {board.name for board in begun if board.is_open and board.name in standing.late}
    busy = [board for board in begun if board.is_open and board.name not in is_late]
    phases: dict[str, int] = defaultdict(int)
    for board in busy:
        phases[(board.phase or "told") if board.online else "offline"] += 1
    return Summary(
        rollout=rollout,
        fleet=fleet,
        bundle=f"{plan.bundle} {plan.version}",
        state=standing.state,
        reason=standing.reason,
        wave=standing.wave + 1,
        waves=len(plan.waves),
        wave_size=plan.waves[standing.wave],
        boards=len(known),
        begun=len(begun),
        committed=sum(board.answer == "done" for board in begun),
        failed=sum(board.answer == "failed" for board in known),
        late=len(is_late),
        busy=len(busy),
        already=sum(board.answer == "done" and board.hint is None for board in known),
        away=sum(not board.online and not board.has_begun for board in known),
        reverted=sum(board.answer == "reverted" for board in known),
        phases=dict(sorted(phases.items())),
        reasons=grouped(board for board in known if board.answer == "failed"),
        waits_s=waits_s,
    )


def grouped(failed: Iterable[Board]) -> tuple[Reason, ...]:
    """Failures by what their reasons have in common: all but the numbers."""
    groups: dict[str, list[Board]] = defaultdict(list)
    for board in failed:
        groups[_NUMBER.sub("#", board.reason)].append(board)
    return tuple(
        Reason(len(some), some[0].reason or "no reason given", tuple(b.name for b in some[:_NAMED]))
        for some in sorted(groups.values(), key=lambda some: (-len(some), some[0].name))
    )
