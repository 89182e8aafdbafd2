"""What rounds and buffers have in common: who sits where, and what an arriving update is."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Literal

from edgekit.federated.coordinator.picture import Board, absences, there
from edgekit.federated.coordinator.seats import (
    Action,
    Note,
    Reply,
    Rules,
    Seat,
    SeatState,
    Standing,
    Stop,
    Summon,
    Verdict,
)

Choose = Callable[[Sequence[str], random.Random], list[str]]
"""A strategy's `choose`."""

Past = Callable[[int, str], bytes | None]
"""The digest of the update that a board delivered in an earlier round, `None` where it did not."""

_REMIND_S = 5.0
_SAY_AGAIN_S = 10.0
_NEVER_TOLD = ""
"""No board's boot: whoever is back is told again."""


def no_past(number: int, board: str) -> bytes | None:
    """Nothing was delivered before."""
    return None


class Course(ABC):
    """Decides who takes part, when updates are combined, and what boards are told. No I/O.

    Methods take what has happened and give what is to be done, in that order. Each board has one
    open seat at most. For one thread.

    Attributes:
        boards: by name.
        seats: by board.
        version: of the global model.
        done: how many rounds count.
        stopped: how the job ended; `None` while it goes on.
    """

    def __init__(
        self, rules: Rules, choose: Choose, standing: Standing, *, past: Past = no_past
    ) -> None:
        """Begins, or goes on from what is remembered.

        Args:
            rules: how rounds go.
            choose: who takes part, of those that are there.
            standing: where the job stands.
            past: knows what was delivered before.
        """
        self.rules = rules
        self.version, self.done = standing.version, standing.done
        self.boards: dict[str, Board] = {}
        self.seats = {seat.board: seat for seat in standing.seats}
        self.stopped: Stop | None = None
        self._waits_for, self._waits_said_s = "", float("-inf")
        self._choose, self._past, self._next_number = choose, past, standing.next_number

    def hear(self, board: Board, now_s: float, *, spoke: bool = False) -> list[Action]:
        """A board's state is another.

        Args:
            board: as it is now.
            now_s: since 1970.
            spoke: whether it said `ready` itself just now, as it does at each connect.
        """
        self.boards[board.name] = board
        seat = self.seats.get(board.name)
        if seat is None or not seat.is_open:
            return []
        if not board.online:
            if seat.gone_s is None:
                self._seat(replace(seat, gone_s=now_s, boot=_NEVER_TOLD))
            return []
        self._seat(replace(seat, gone_s=None))
        if spoke and (board.boot != seat.boot or now_s >= seat.told_s + _REMIND_S):
            return self._remind(board.name, now_s, board.boot)
        if seat.gone_s is not None:  # it will say `ready` too, and is told once more then
            return self._remind(board.name, now_s, seat.boot)
        return []

    def answer(self, name: str, number: int, *, accepts: bool, why: str) -> list[Action]:
        """A board says whether it takes part."""
        seat = self._open_seat(name, number)
        if seat is None or seat.state == "declined":
            return []
        if accepts:
            self._seat(replace(seat, state="accepted"))
            return []
        self._seat(replace(seat, state="declined", why=why))
        return [Note(name, f"declined round {number}{': ' if why else ''}{why}")]

    def stirred(self, name: str) -> None:
        """A board sent a part of something: it is at it."""
        seat = self.seats.get(name)
        if seat is not None and seat.state in ("invited", "silent"):
            self._seat(replace(seat, state="accepted"))

    def judge(self, name: str, number: int, digest: bytes, now_s: float) -> Verdict | None:
        """What an update is that came whole; `None` where it has to be looked into."""
        seat = self.seats.get(name)
        if seat is None or seat.number != number:
            before = self._past(number, name)
            if before is None:
                if number >= self._next_number:
                    return Verdict("refused", f"there was no round {number} yet")
                return Verdict("late", f"round {number} is over, or it was not invited")
        elif seat.state == "delivered":
            before = seat.digest
        elif seat.state == "refused":
            return Verdict("refused", seat.why, is_news=False)
        elif now_s >= seat.due_s:
            return Verdict("late", f"round {number} is over")
        else:
            return None
        if before == digest:
            return Verdict("counted", f"sent its update of round {number} again; it counts once")
        return Verdict("refused", f"it delivered another update of round {number} before")

    def refuse(self, name: str, number: int, why: str) -> list[Action]:
        """An update was looked into, and is wrong."""
        seat = self._open_seat(name, number)
        if seat is not None:
            self._seat(replace(seat, state="refused", why=why))
        return [Reply(name, number, "refused", why), Note(name, f"refused: {why}")]

    def stored(self, name: str, number: int, digest: bytes) -> list[Action]:
        """A good update is safe."""
        seat = self._open_seat(name, number)
        if seat is not None:
            self._seat(replace(seat, state="delivered", digest=digest))
        return [Reply(name, number, "counted")]

    def gathered(self, boards: Collection[str], digest: bytes) -> None:
        """The updates of these boards are there as one sum; no other is waited for."""
        for seat in list(self.seats.values()):
            if seat.is_open:
                state: SeatState = "delivered" if seat.board in boards else "silent"
                self._seat(replace(seat, state=state, digest=digest))

    def remind_all(self, now_s: float) -> list[Action]:
        """The broker was gone, or we were: boards may have missed their invitations.

        Those that are not back yet are told once more when they say `ready`.
        """
        return [
            action
            for name in sorted(self.seats)
            if self.seats[name].is_open
            for action in self._remind(name, now_s, _NEVER_TOLD)
        ]

    def stop(self, state: Literal["finished", "stopped"], why: str) -> list[Action]:
        """Ends the job; boards that still train are told."""
        self.stopped = Stop(state, why)
        actions: list[Action] = [
            Reply(seat.board, seat.number, "late", "the job is over")
            for seat in self.seats.values()
            if seat.is_open and seat.state != "declined"
        ]
        self.seats.clear()
        return [*actions, self.stopped]

    @property
    def versions(self) -> set[int]:
        """Which versions of the global model boards may need."""
        return {seat.version for seat in self.seats.values() if seat.is_open}

    @abstractmethod
    def tick(self, now_s: float) -> list[Action]:
        """What is to be done now; again and again until it is nothing."""

    @abstractmethod
    def committed(self, version: int) -> list[Action]:
        """What `Combine` asked for is done and safe."""

    @abstractmethod
    def failed(self, why: str, now_s: float) -> list[Action]:
        """What `Combine` asked for cannot be."""

    @abstractmethod
    def moments_s(self) -> list[float]:
        """When `tick` may have something to do, past moments included."""

    def _rng(self, what: str) -> random.Random:
        seed = self.rules.seed
        return random.SystemRandom() if seed is None else random.Random(f"{seed}/{what}")

    def _there(self) -> list[str]:
        return there(self.boards, self.rules.step)

    def _waiting(self, online: Sequence[str], now_s: float) -> list[Action]:
        """Says how many boards lack, and why others cannot; again where that has changed."""
        absent = absences(self.boards.values(), self.rules.step)
        lines = [f"{count} {why}" for why, count in list(absent.items())[:4]]
        why = f"; not {', '.join(lines)}" if lines else ""
        text = f"waits: {len(online)} boards are there, {self.rules.minimum} are needed{why}"
        if text == self._waits_for or now_s < self._waits_said_s + _SAY_AGAIN_S:
            return []
        self._waits_for, self._waits_said_s = text, now_s
        return [Note("", text)]

    def _seat(self, seat: Seat) -> None:
        self.seats[seat.board] = seat

    def _open_seat(self, name: str, number: int) -> Seat | None:
        seat = self.seats.get(name)
        return seat if seat is not None and seat.number == number and seat.is_open else None

    def _invite(self, name: str, number: int, due_s: float, now_s: float) -> Summon:
        boot = self.boards[name].boot if name in self.boards else ""
        seat = Seat(name, number, self.version, due_s, now_s, boot=boot)
        self._seat(seat)
        return Summon(seat)

    def _remind(self, name: str, now_s: float, boot: str) -> list[Action]:
        seat = self.seats[name]
        if now_s >= seat.due_s or seat.state == "declined":
            return []
        state: SeatState = "invited" if seat.state == "silent" else seat.state
        seat = replace(seat, told_s=now_s, boot=boot, state=state)
        self._seat(seat)
        return [Summon(seat, new=False)]

    def _silence(self, now_s: float) -> list[Action]:
        """Gives up on boards that do not answer."""
        actions: list[Action] = []
        for seat in list(self.seats.values()):
            if seat.state == "invited" and now_s >= seat.told_s + self.rules.answer_s:
                self._seat(replace(seat, state="silent"))
                actions.append(Note(seat.board, f"did not answer to round {seat.number}"))
        return actions

    def _moments_of_seats_s(self) -> list[float]:
        """When boards become silent, or are not waited for any more."""
        rules, seats = self.rules, self.seats.values()
        told = [seat.told_s + rules.answer_s for seat in seats if seat.state == "invited"]
        return told + [seat.gone_s + rules.grace_s for seat in seats if seat.gone_s is not None]
