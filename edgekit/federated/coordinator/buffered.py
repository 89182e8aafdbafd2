"""Updates as they come, without rounds: FedBuff. Nguyen et al., 2022, arXiv:2106.06639."""

from edgekit.federated.coordinator.course import Choose, Course, Past, no_past
from edgekit.federated.coordinator.seats import (
    Action,
    Combine,
    Note,
    Reply,
    Rules,
    Standing,
    Verdict,
)


class Buffered(Course):
    """Each board has rounds of its own, and a new one when it has delivered; K updates combine.

    Attributes:
        buffer: which updates wait to be combined: round and board.
    """

    def __init__(
        self,
        rules: Rules,
        choose: Choose,
        standing: Standing,
        *,
        size: int,
        past: Past = no_past,
    ) -> None:
        """See `Course`; the arguments are its own, but for `size`: how many are combined, K."""
        super().__init__(rules, choose, standing, past=past)
        self.buffer = list(standing.buffer)
        self._size = size
        self._rests_until_s: dict[str, float] = {}
        self._failures = 0

    def tick(self, now_s: float) -> list[Action]:
        """See `Course`."""
        if self.stopped is not None:
            return []
        if self.done >= self.rules.count:
            return self.stop("finished", f"all {self.done} rounds are done")
        if len(self.buffer) >= self._size:
            return [Combine(tuple(sorted(self.buffer)))]
        return self._silence(now_s) + self._tidy(now_s) + self._ask(now_s)

    def judge(self, name: str, number: int, digest: bytes, now_s: float) -> Verdict | None:
        """See `Course`."""
        verdict = super().judge(name, number, digest, now_s)
        if verdict is not None:
            return verdict
        age = self.version - self.seats[name].version
        if age > self.rules.staleness:
            return Verdict("late", f"its model is {age} versions old")
        return None

    def stored(self, name: str, number: int, digest: bytes) -> list[Action]:
        """See `Course`."""
        actions = super().stored(name, number, digest)
        seat = self.seats.get(name)
        if seat is not None and seat.number == number:
            del self.seats[name]
            self.buffer.append((number, name))
        return actions

    def committed(self, version: int) -> list[Action]:
        """See `Course`."""
        self.buffer.clear()
        self.version, self._failures = version, 0
        self.done += 1
        return []

    def failed(self, why: str, now_s: float) -> list[Action]:
        """See `Course`."""
        self.buffer.clear()
        self._failures += 1
        actions: list[Action] = [Note("", f"a buffer is void: {why}")]
        if self._failures >= self.rules.attempts:
            actions += self.stop("stopped", f"{self._failures} buffers were void, the last: {why}")
        return actions

    def moments_s(self) -> list[float]:
        """See `Course`."""
        due = [seat.due_s for seat in self.seats.values()]
        return due + self._moments_of_seats_s() + list(self._rests_until_s.values())

    def _tidy(self, now_s: float) -> list[Action]:
        actions: list[Action] = []
        for seat in list(self.seats.values()):
            if seat.state in ("refused", "declined"):
                self._rests_until_s[seat.board] = now_s + self.rules.pause_s
                del self.seats[seat.board]
            elif now_s >= seat.due_s:
                del self.seats[seat.board]
                self._rests_until_s[seat.board] = now_s + self.rules.pause_s
                actions.append(Reply(seat.board, seat.number, "late", "its time is over"))
                actions.append(Note(seat.board, f"did not deliver round {seat.number} in time"))
        for name, until_s in list(self._rests_until_s.items()):
            if now_s >= until_s:
                del self._rests_until_s[name]
        return actions

    def _ask(self, now_s: float) -> list[Action]:
        rules, online = self.rules, self._there()
        if len(online) < rules.minimum:
            return self._waiting(online, now_s)
        self._waits_for = ""
        rng = self._rng(str(self._next_number))
        limit = len(self._choose(online, rng))
        busy = sum(seat.holds(now_s, rules.grace_s) for seat in self.seats.values())
        free = [n for n in online if n not in self.seats and n not in self._rests_until_s]
        rng.shuffle(free)
        actions: list[Action] = []
        for name in free[: max(0, limit - busy)]:
            actions.append(self._invite(name, self._next_number, now_s + rules.deadline_s, now_s))
            self._next_number += 1
        return actions
