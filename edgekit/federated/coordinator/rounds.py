"""Rounds with one cohort each: who is invited, and when a round is over."""

from math import ceil

from edgekit.federated.coordinator.course import Choose, Course, Past, no_past
from edgekit.federated.coordinator.seats import (
    Abandon,
    Action,
    Attempt,
    Combine,
    Note,
    Open,
    Reply,
    Rules,
    Standing,
    Verdict,
)
from edgekit.federated.privacy.budget import Budget

_TOO_LATE_TO_ASK = 0.1
"""In the last tenth of a round nobody new is invited."""


class Rounds(Course):
    """One cohort at a time; a round takes the first updates that come, up to what it needs.

    Attributes:
        attempt: the open one.
        failures: how many attempts at this round have failed.
        budget: of privacy, as far as it is spent; a round counts from when it begins.
    """

    def __init__(
        self,
        rules: Rules,
        choose: Choose,
        standing: Standing,
        *,
        past: Past = no_past,
        budget: Budget | None = None,
    ) -> None:
        """See `Course`; the arguments are its own, but for `budget`: of privacy."""
        super().__init__(rules, choose, standing, past=past)
        self.attempt, self.failures = standing.attempt, standing.failures
        self.budget = budget
        self._not_before_s = 0.0

    def tick(self, now_s: float) -> list[Action]:
        """See `Course`."""
        if self.stopped is not None:
            return []
        if self.attempt is not None:
            return self._silence(now_s) + self._go_on(self.attempt, now_s)
        if self.done >= self.rules.count:
            return self.stop("finished", f"all {self.done} rounds are done")
        return self._begin(now_s) if now_s >= self._not_before_s else []

    def judge(self, name: str, number: int, digest: bytes, now_s: float) -> Verdict | None:
        """See `Course`; a round that has what it needs takes no more."""
        verdict = super().judge(name, number, digest, now_s)
        if verdict is None and self.attempt and len(self._delivered) >= self.attempt.needed:
            return Verdict("late", f"round {number} has what it needs", is_news=False)
        return verdict

    def committed(self, version: int) -> list[Action]:
        """See `Course`."""
        assert self.attempt is not None
        actions = self._close("late", f"round {self.attempt.number} is over")
        self.version, self.failures = version, 0
        self.done += 1
        return actions

    def failed(self, why: str, now_s: float) -> list[Action]:
        """See `Course`."""
        assert self.attempt is not None
        number = self.attempt.number
        actions: list[Action] = [Abandon(number, why), *self._close("void", why)]
        self.failures += 1
        self._not_before_s = now_s + self.rules.pause_s
        tries = f"attempt {self.failures} of {self.rules.attempts} at round {self.done + 1}"
        actions.append(Note("", f"{tries} is void: {why}"))
        if self.failures >= self.rules.attempts:
            actions += self.stop("stopped", f"{self.failures} attempts were void, the last: {why}")
        return actions

    def moments_s(self) -> list[float]:
        """See `Course`."""
        if self.attempt is None:
            return [self._not_before_s]
        return [self.attempt.due_s, *self._moments_of_seats_s()]

    @property
    def _delivered(self) -> tuple[tuple[int, str], ...]:
        found = [seat for seat in self.seats.values() if seat.state == "delivered"]
        return tuple((seat.number, seat.board) for seat in sorted(found, key=lambda s: s.board))

    def _begin(self, now_s: float) -> list[Action]:
        rules, online = self.rules, self._there()
        if len(online) < rules.minimum:
            return self._waiting(online, now_s)
        if self.budget is not None:
            online = self.budget.allowed(online)
            if len(online) < rules.minimum:
                return self.stop("finished", self.budget.last_words())
        self._waits_for = ""
        number, rng = self._next_number, self._rng(str(self._next_number))
        self._next_number += 1
        chosen = self._choose(online, rng)
        more: list[str] = []
        if rules.replaces:
            rest = sorted(set(online) - set(chosen))
            rng.shuffle(rest)
            short = max(0, rules.minimum - len(chosen))
            chosen, rest = [*chosen, *rest[:short]], rest[short:]
            more = rest[: ceil(len(chosen) * rules.over)]
        if self.budget is not None:
            self.budget = self.budget.begun(number, chosen)
        self.attempt = Attempt(number, self.version, len(chosen), now_s + rules.deadline_s)
        invited = [*chosen, *more]
        return [
            Open(self.attempt),
            Note("", f"round {self.done + 1} begins: {len(invited)} boards are invited"),
            *(self._invite(name, number, self.attempt.due_s, now_s) for name in invited),
        ]

    def _go_on(self, attempt: Attempt, now_s: float) -> list[Action]:
        rules, delivered = self.rules, self._delivered
        waiting = sum(seat.holds(now_s, rules.grace_s) for seat in self.seats.values())
        if len(delivered) >= attempt.needed:
            return [Combine(delivered)]
        enough = len(delivered) >= rules.least
        if now_s >= attempt.due_s or (not rules.replaces and not waiting):
            if enough:
                return [Combine(delivered)]
            return self.failed(
                f"{len(delivered)} updates came in time, {rules.least} are needed", now_s
            )
        if rules.replaces and now_s < attempt.due_s - _TOO_LATE_TO_ASK * rules.deadline_s:
            spare = [name for name in self._there() if name not in self.seats]
            self._rng(f"{attempt.number}/{len(self.seats)}").shuffle(spare)
            lacking = attempt.needed - len(delivered) - waiting
            if asked := spare[: max(0, lacking)]:
                return [self._invite(name, attempt.number, attempt.due_s, now_s) for name in asked]
        return [Combine(delivered)] if enough and not waiting else []

    def _close(self, state: str, why: str) -> list[Action]:
        assert self.attempt is not None
        actions: list[Action] = [
            Reply(seat.board, seat.number, "void" if state == "void" else "late", why)
            for seat in self.seats.values()
            if seat.is_open and seat.state != "declined"
        ]
        self.seats.clear()
        self.attempt = None
        return actions
