"""How the updates of a round come together: one by one, or as their sum alone."""

from collections.abc import Callable, Sequence
from typing import Protocol

from edgekit.errors import InputError
from edgekit.federated.coordinator.combining import Combined, combined, judged
from edgekit.federated.coordinator.course import Course
from edgekit.federated.coordinator.memory import Memory
from edgekit.federated.coordinator.post import Post
from edgekit.federated.coordinator.seats import Action, Attempt, Note, Reply
from edgekit.federated.coordinator.secure_round import SecureRound, moved_by, settings_for
from edgekit.federated.job.opening import OpenJob
from edgekit.federated.model import GlobalModel, RoundFailed
from edgekit.learning.federated.messages import Secure

Updates = tuple[tuple[int, str], ...]
_SUMMED = b"part of a sum"
"""The digest of an update that nobody saw."""


class Collector(Protocol):
    """Collects what `Combine` combines."""

    @property
    def sees_updates(self) -> bool:
        """Whether boards send their updates as they are."""
        ...

    def begin(self, attempt: Attempt, boards: Sequence[str], now_s: float) -> None:
        """A round has begun, and its boards are about to be invited."""
        ...

    def settings(self, number: int) -> bytes | None:
        """What an invitation to a round says of how to send."""
        ...

    def heard(self, board: str, said: Secure) -> Sequence[Action]:
        """A board spoke of a sum.

        Raises:
            InputError: what it said is wrong.
        """
        ...

    def again(self, board: str) -> None:
        """Tells a board once more what it may have missed."""
        ...

    def step(self, now_s: float) -> Sequence[Action]:
        """Goes on as far as it can now."""
        ...

    def moments_s(self) -> Sequence[float]:
        """When `step` may have something to do."""
        ...

    def combined(self, model: GlobalModel, updates: Updates) -> Combined:
        """The next model.

        Raises:
            RoundFailed: there is none.
        """
        ...

    def committed(self, updates: Updates) -> Sequence[Action]:
        """The round counts: what boards are told. Within the transaction of the commit."""
        ...


class Plain:
    """Each update is stored when it comes.

    Args:
        opened: the job.
        memory: where they are.
    """

    sees_updates = True

    def __init__(self, opened: OpenJob, memory: Memory) -> None:
        self._opened, self._memory = opened, memory

    def begin(self, attempt: Attempt, boards: Sequence[str], now_s: float) -> None:
        """See `Collector`."""

    def settings(self, number: int) -> bytes | None:
        """See `Collector`."""
        return None

    def heard(self, board: str, said: Secure) -> Sequence[Action]:
        """See `Collector`."""
        raise InputError("it speaks of a secure sum, and this job has none")

    def again(self, board: str) -> None:
        """See `Collector`."""

    def step(self, now_s: float) -> Sequence[Action]:
        """See `Collector`."""
        return ()

    def moments_s(self) -> Sequence[float]:
        """See `Collector`."""
        return ()

    def combined(self, model: GlobalModel, updates: Updates) -> Combined:
        """See `Collector`."""
        return combined(self._opened, model, self._memory.messages(updates))

    def committed(self, updates: Updates) -> Sequence[Action]:
        """See `Collector`: they were told when their updates were stored."""
        self._memory.spend_updates(updates, "counted")
        return ()


class Summed:
    """All updates of a round are seen as their sum alone.

    Args:
        opened: the job.
        memory: remembers who was part of a sum.
        course: decides; is told when the sum is there.
        post: to the boards.
        samples_of: how many samples a board says it has.
    """

    sees_updates = False

    def __init__(
        self,
        opened: OpenJob,
        memory: Memory,
        course: Course,
        post: Post,
        samples_of: Callable[[str], int],
    ) -> None:
        self._opened, self._memory, self._course, self._post = opened, memory, course, post
        self._samples_of = samples_of
        self._number = 0
        self._round: SecureRound | None = None
        self._trouble = ""

    def begin(self, attempt: Attempt, boards: Sequence[str], now_s: float) -> None:
        """See `Collector`."""
        self._number, self._round, self._trouble = attempt.number, None, ""
        most = max((self._samples_of(board) for board in boards), default=1)
        try:
            self._round = SecureRound(
                settings_for(self._opened, len(boards), most),
                boards,
                answer_s=self._opened.job.rounds.answer_s,
                due_s=attempt.due_s,
                now_s=now_s,
            )
        except InputError as error:
            self._trouble = str(error)

    def settings(self, number: int) -> bytes | None:
        """See `Collector`."""
        is_ours = self._round is not None and number == self._number
        return self._round.settings if is_ours and self._round is not None else None

    def heard(self, board: str, said: Secure) -> Sequence[Action]:
        """See `Collector`."""
        if self._round is None or said.round != self._number:
            was_in = self._memory.digest(said.round, board) is not None
            return [Reply(board, said.round, "counted" if was_in else "late")]
        self._course.stirred(board)
        for ask in self._round.add(board, said.phase, said.data):
            self._post.secure(ask.board, self._number, ask.phase, ask.data)
        return ()

    def again(self, board: str) -> None:
        """See `Collector`."""
        if self._round is not None:
            for ask in self._round.again(board):
                self._post.secure(ask.board, self._number, ask.phase, ask.data)

    def step(self, now_s: float) -> Sequence[Action]:
        """See `Collector`."""
        if not self._course.seats:
            self._round = None
            return ()
        if self._round is None:
            why = self._trouble or "the coordinator was begun anew in the middle of a secure sum"
            return self._course.failed(why, now_s)
        if self._round.sum is not None:
            return ()
        grace_s = self._course.rules.grace_s
        holding = [s.board for s in self._course.seats.values() if s.holds(now_s, grace_s)]
        try:
            asks = self._round.step(now_s, holding)
        except RoundFailed as error:
            self._round = None
            return self._course.failed(str(error), now_s)
        for ask in asks:
            self._post.secure(ask.board, self._number, ask.phase, ask.data)
        if (found := self._round.sum) is None:
            return ()
        self._course.gathered(found.boards, _SUMMED)
        return [Note(liar, f"refused: {what}") for liar, what in sorted(found.liars.items())]

    def moments_s(self) -> Sequence[float]:
        """See `Collector`."""
        return () if self._round is None else (self._round.ends_s,)

    def combined(self, model: GlobalModel, updates: Updates) -> Combined:
        """See `Collector`."""
        if self._round is None or (found := self._round.sum) is None:
            raise RoundFailed("there is no sum of this round")
        return judged(self._opened, moved_by(self._opened, model, found), None)

    def committed(self, updates: Updates) -> Sequence[Action]:
        """See `Collector`."""
        for number, board in updates:
            self._memory.keep_update(number, board, _SUMMED, b"")
        self._memory.spend_updates(updates, "counted")
        self._round = None
        return [Reply(board, number, "counted") for number, board in updates]
