"""What a rollout does next: pure decisions over its plan, where it stands, and its boards.

    running ──a wave through──▶ pause ──▶ next wave ... ──last one through──▶ finished
       │  ▲                                                    any time: aborted
       ▼  │ an operator: run
    paused, or stopped by a threshold

A wave is a number: how many boards may have begun by its end. They begin in the plan's order; one
that is away is passed over until it comes, so that no node that never comes holds up the rest.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from edgekit.messaging.payloads import RolloutPlan, RolloutState, RolloutWish

Answer = Literal["none", "busy", "done", "failed", "reverted"]


@dataclass(frozen=True)
class Board:
    """A board of a rollout, as its messages show it.

    Attributes:
        name: its name in the fleet.
        online: whether it is there.
        hint: what this rollout has told it to do.
        answer: what it made of that; `done` also where it runs the version of its own accord.
        phase: where its update stands, for people.
        reason: why it failed, or what it waits for.
    """

    name: str
    online: bool = False
    hint: Literal["install", "roll-back"] | None = None
    answer: Answer = "none"
    phase: str = ""
    reason: str = ""

    @property
    def has_begun(self) -> bool:
        """Whether it was told to install."""
        return self.hint == "install"

    @property
    def is_open(self) -> bool:
        """Whether it has begun, and not come to an end yet."""
        return self.has_begun and self.answer in ("none", "busy")


@dataclass(frozen=True)
class Standing:
    """Where a rollout stands: all that is not about one board alone.

    Attributes:
        state: whether it goes on.
        wave: from 0.
        since_s: when the wave's last board began, which the deadline counts from; since 1970.
        passed_s: when it was through; the pause counts from here.
        reason: why it was stopped.
        late: boards that no wave waits for any more.
        revert: whether boards of an aborted rollout that have committed go back.
    """

    state: RolloutState = "running"
    wave: int = 0
    since_s: float = 0.0
    passed_s: float | None = None
    reason: str = ""
    late: frozenset[str] = frozenset()
    revert: bool = False


@dataclass(frozen=True)
class Begin:
    """Tell a board to install."""

    board: str


@dataclass(frozen=True)
class Clear:
    """Take the hint back from a board that has not answered it."""

    board: str


@dataclass(frozen=True)
class GoBack:
    """Tell a board that has committed to go back to what it had before."""

    board: str


@dataclass(frozen=True)
class Move:
    """The rollout stands elsewhere now."""

    standing: Standing


Action = Begin | Clear | GoBack | Move


def decide(
    plan: RolloutPlan, standing: Standing, boards: Mapping[str, Board], now_s: float
) -> list[Action]:
    """What to do next.

    Once the actions are done it is to be asked again, until there is nothing more. It keeps nothing
    in mind: from the same messages another workstation decides the same.

    Args:
        plan: what is to be done.
        standing: where it stands.
        boards: those that were heard of, by name; others count as away.
        now_s: seconds since 1970.
    """
    known = [boards.get(name) or Board(name) for name in plan.boards]
    if standing.state == "running":
        return _run(plan, standing, known, now_s)
    if standing.state == "finished":  # those that were away take it when they come
        size = plan.waves[-1]
        return [Begin(board.name) for board in _free(known)[: _room(size, known)]]
    if standing.state == "paused":
        return []
    silent = [board for board in known if board.has_begun and board.answer == "none"]
    if standing.state == "stopped":
        return [Clear(board.name) for board in silent if not board.online]
    if not standing.revert:
        return [Clear(board.name) for board in silent]
    cleared = [Clear(board.name) for board in silent if not board.online]
    back = [GoBack(each.name) for each in known if each.has_begun and each.answer == "done"]
    return [*cleared, *back]


def obey(standing: Standing, wish: RolloutWish, now_s: float) -> Standing:
    """Where an operator's wish puts a rollout; the clock of a wave starts anew when it goes on."""
    if wish.action == "abort" and (standing.state != "aborted" or wish.revert > standing.revert):
        reason = f"aborted by {wish.by}"
        return replace(standing, state="aborted", reason=reason, revert=wish.revert, since_s=now_s)
    if wish.action == "pause" and standing.state == "running":
        return replace(standing, state="paused", reason=f"paused by {wish.by}")
    if wish.action == "run" and standing.state in ("paused", "stopped"):
        return replace(standing, state="running", reason="", since_s=now_s)
    return standing


def next_moment_s(plan: RolloutPlan, standing: Standing) -> float | None:
    """When something falls due even where nobody says anything."""
    if standing.state != "running":
        return None
    if standing.passed_s is not None:
        return standing.passed_s + plan.pause_s
    return standing.since_s + plan.deadline_s


def allowed_failures(plan: RolloutPlan, wave: int) -> int:
    """How many boards may have failed while a wave runs."""
    return math.floor(plan.max_errors * plan.waves[wave] + 1e-9)


def _run(plan: RolloutPlan, standing: Standing, known: list[Board], now_s: float) -> list[Action]:
    size, allowed = plan.waves[standing.wave], allowed_failures(plan, standing.wave)
    begun = [board for board in known if board.has_begun]
    failed = sum(board.answer == "failed" for board in begun)
    if failed > allowed:
        why = f"{_boards(failed)} of {size} failed, more than the {allowed} let through"
        return [Move(replace(standing, state="stopped", reason=why))]
    if standing.passed_s is not None:
        if now_s < standing.passed_s + plan.pause_s:
            return []
        wave = standing.wave + 1
        return [Move(replace(standing, wave=wave, since_s=now_s, passed_s=None))]
    waiting = [board.name for board in begun if board.is_open and board.name not in standing.late]
    free, room = _free(known), _room(size, known)
    slots = room if plan.at_once is None else min(room, max(0, plan.at_once - len(waiting)))
    if starts := [Begin(board.name) for board in free if board.online][:slots]:
        return [*starts, Move(replace(standing, since_s=now_s))]
    overdue = now_s >= standing.since_s + plan.deadline_s
    if waiting and overdue:
        return [Move(replace(standing, late=standing.late | frozenset(waiting)))]
    if waiting or (room and free and not overdue):
        return []
    if not begun and free:
        return []  # nobody is there: without a single board that has tried it nothing goes on
    done = sum(board.answer == "done" for board in begun)
    if begun and done < plan.min_success * len(begun) - 1e-9:
        late = sum(board.is_open for board in begun)
        why = f"{done} of {_boards(len(begun))} committed, fewer than {plan.min_success:.0%}"
        why += f"; {late} did not come to an end in time" if late else ""
        return [Move(replace(standing, state="stopped", reason=why))]
    if standing.wave + 1 == len(plan.waves) or not free:
        return [Move(replace(standing, state="finished", reason=""))]
    return [Move(replace(standing, passed_s=now_s))]


def _free(known: list[Board]) -> list[Board]:
    """Those that were told nothing yet and need to be."""
    return [board for board in known if board.hint is None and board.answer == "none"]


def _room(size: int, known: list[Board]) -> int:
    return max(0, size - sum(board.has_begun for board in known))


def _boards(count: int) -> str:
    return "1 board" if count == 1 else f"{count} boards"
