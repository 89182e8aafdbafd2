"""What a rollout knows of its boards, gathered from what they say: a fold over messages."""

from collections.abc import Mapping
from dataclasses import replace

from edgekit.deploy.rollout.plan import Board
from edgekit.errors import InputError
from edgekit.messaging.payloads import (
    DeployDesired,
    DeployStatus,
    RolloutPlan,
    Status,
    decode_deploy_desired,
    decode_deploy_status,
    decode_status,
)
from edgekit.messaging.topics import Place, place_of

_ENDED = ("rolled-back", "refused")


class Picture:
    """The boards of one rollout. For one thread.

    Attributes:
        boards: by name.
        unreadable: how many messages of boards could not be read, and were passed over.
    """

    def __init__(self, rollout: str, plan: RolloutPlan, boards: Mapping[str, Board]) -> None:
        """Starts from what is remembered.

        Args:
            rollout: its name.
            plan: what it is to do.
            boards: as they were seen last; whether they are online is forgotten.
        """
        self.boards = {
            name: replace(boards.get(name) or Board(name), online=False) for name in plan.boards
        }
        self.unreadable = 0
        self._rollout = rollout
        self._plan = plan

    def hear(self, topic: str, payload: bytes) -> str | None:
        """Takes a message of a board.

        Returns:
            The board that looks different now; `None` where none does.
        """
        place = place_of(topic)
        if place is None or place.device not in self.boards:
            return None
        before = self.boards[place.device]
        try:
            after = self._after(before, place, payload)
        except InputError:
            self.unreadable += 1
            return None
        return None if after == before else self.see(after)

    def see(self, board: Board) -> str:
        """Puts a board in the place of what was known of it."""
        self.boards[board.name] = board
        return board.name

    def _after(self, board: Board, place: Place, payload: bytes) -> Board:
        if place.kind == "status" and not place.name:
            return replace(board, online=bool(payload) and decode_status(payload).state == "online")
        if place.name != self._plan.bundle or not payload:
            return board
        if place.kind == "deploy/desired":
            wish = decode_deploy_desired(payload)
            return replace(board, hint=wish.action) if wish.rollout == self._rollout else board
        if place.kind == "deploy/status":
            return answered(board, decode_deploy_status(payload), self._rollout, self._plan.version)
        return board


def answered(board: Board, status: DeployStatus, rollout: str, version: str) -> Board:
    """A board after one of its `deploy/status` messages.

    What failed stays so, whatever else the board says: until it runs the version after all. Who
    answers has begun, even where the hint was taken back in the meantime.
    """
    runs, ours = status.running == version, status.rollout == rollout
    if ours and board.hint is None:
        board = replace(board, hint="install")
    ended = ours and status.phase in _ENDED and status.version in (None, version)
    if board.hint == "roll-back":
        if status.running is not None and not runs:
            return replace(board, answer="reverted", phase="went back", reason="")
        if ours and status.phase in ("refused", "failed"):
            return replace(board, answer="failed", phase=status.phase, reason=status.reason)
        return replace(board, phase=status.phase)
    if runs:
        return replace(board, answer="done", phase="committed", reason="")
    if board.answer == "failed":
        return board
    if ended and board.has_begun:
        return replace(board, answer="failed", phase=status.phase, reason=status.reason)
    is_busy = board.has_begun and (ours or board.answer == "busy")
    return replace(
        board, answer="busy" if is_busy else "none", phase=status.phase, reason=status.reason
    )


def hint_of(board: Board, rollout: str, version: str) -> DeployDesired | None:
    """What a board is told; `None` takes it back."""
    if board.hint is None:
        return None
    return DeployDesired(version=version, rollout=rollout, action=board.hint)


def versions_of(status: Status, bundle: str) -> set[str]:
    """The versions of a bundle that a board's pipelines run."""
    models = (engine.model for engine in status.engines.values())
    return {model.version for model in models if model.name == bundle}
