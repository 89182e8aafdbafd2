"""Carries a rollout on: hears boards, decides, and tells them; from any workstation."""

import queue
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from time import monotonic, time

from edgekit.deploy.rollout.line import Heard, Line
from edgekit.deploy.rollout.picture import Picture, hint_of
from edgekit.deploy.rollout.plan import (
    Action,
    Begin,
    Board,
    Clear,
    GoBack,
    Move,
    Standing,
    decide,
    next_moment_s,
    obey,
)
from edgekit.deploy.rollout.record import (
    Record,
    effective,
    kept_thresholds,
    progress_of,
    read_record,
)
from edgekit.deploy.rollout.state import Change, Key, Memory
from edgekit.deploy.rollout.summary import Summary, summarise
from edgekit.deploy.rollout.topics import PARTS, Part, RolloutTopics
from edgekit.errors import InputError, Unavailable
from edgekit.messaging.payloads import RolloutPlan, RolloutWish, decode_rollout_wish, encode
from edgekit.messaging.topics import PREFIX, Topics

Show = Callable[[Summary, list[Change]], None]
"""Is told where a rollout is, and what has changed since the last time."""

_PATIENCE_S = 0.5
_GATHER_S = 0.05
"""How long messages gather after the first: each decision looks at all boards."""
_MOST_AT_ONCE = 2000
_REMIND_EVERY_S = 60.0


def show_nobody(summary: Summary, changes: list[Change]) -> None:
    """What is shown to nobody."""


class Coordinator:
    """One workstation's turn at a rollout. For one thread.

    What is retained at the broker says what was done, so that a turn may begin wherever another
    was cut off. Only the workstation that the last wish to run names carries the rollout on.
    """

    def __init__(
        self,
        line: Line,
        memory: Memory,
        key: Key,
        *,
        me: str,
        show: Show = show_nobody,
        clock_s: Callable[[], float] = time,
    ) -> None:
        """Nothing is heard or said yet.

        Args:
            line: to the broker, open.
            memory: the workstation's.
            key: which rollout.
            me: who carries it on: no other workstation has this name.
            show: is told what happens.
            clock_s: seconds since 1970.
        """
        self._line = line
        self._memory = memory
        self._key = key
        self._me = me
        self._show = show
        self._clock_s = clock_s
        self._topics = RolloutTopics(key.fleet)
        self._parts: dict[Part, bytes] = {}
        self._changes: list[Change] = []
        self._altered: set[str] = set()
        self._taken_over_by: str | None = None
        self._reconnected = False
        self._remind_at_s = clock_s() + _REMIND_EVERY_S

    def run(self, wish: RolloutWish, plan: RolloutPlan | None = None) -> Summary:
        """Carries the rollout on until it is at an end, paused, or taken over.

        Args:
            wish: why: `run`, or `abort`.
            plan: of a new rollout; else it is the one that is retained or remembered.

        Returns:
            Where the rollout is then.

        Raises:
            InputError: there is no such rollout, it has ended, or the memory cannot be used.
            Unavailable: the broker does not let us, or falls silent.
        """
        record = self._recall() if plan is None else Record(plan)
        was_over = record.standing.state
        if was_over in ("finished", "aborted") and wish.action == "run":
            raise InputError(f"{self._key.name}: is {was_over} already; start another rollout")
        self._say("plan", encode(record.plan))
        wish = kept_thresholds(wish, record.wish)
        self._say("wish", encode(wish))  # from here on whoever carried it on before stands down
        if plan is None:
            record = replace(record, progress=self._recall().progress)
        self._plan, self._standing = record.plan, record.standing
        self._look_around(record)
        self._take(wish)
        self._settle()
        while not self._is_over():
            self._hear()
            self._line.check()
            if self._reconnected:
                with suppress(Unavailable):  # the broker is gone again: when it is back
                    self._tell_again()
            if self._taken_over_by is None:
                self._remind()
                self._settle()
        self._line.flush()
        return self._summary()

    @property
    def taken_over_by(self) -> str | None:
        """Which workstation carries the rollout on now, where it is not this one any more."""
        return self._taken_over_by

    def _recall(self) -> Record:
        """What is kept of the rollout: at the broker, else here."""
        filters = [self._topics.of(part, self._key.name) for part in PARTS]
        parts = self._memory.parts(self._key)
        for heard in self._line.listen(filters):
            if (place := self._topics.place(heard.topic)) is not None:
                parts[place[0]] = heard.payload
        self._line.deafen(filters)
        return read_record(parts, self._key.name)

    def _look_around(self, record: Record) -> None:
        """Hears what is retained of every board, and goes on from what is remembered."""
        bundle, name = self._plan.bundle, self._key.name
        self._picture = Picture(name, self._plan, self._memory.boards(self._key))
        start = f"{PREFIX}/{self._key.fleet}/+"
        self._hints = f"{start}/deploy/desired/{bundle}"
        told = self._line.listen([self._hints])
        self._line.deafen([self._hints])
        filters = [f"{start}/status", f"{start}/deploy/status/{bundle}"]
        told += self._line.listen([*filters, self._topics.of("wish", name)])
        for board, reason in (record.progress.failed if record.progress else {}).items():
            if board in self._picture.boards:
                before = self._picture.boards[board]
                hint = before.hint or "install"
                failed = replace(before, hint=hint, answer="failed", reason=reason)
                self._picture.see(failed)
        for heard in told:
            if heard.topic and (changed := self._picture.hear(heard.topic, heard.payload)):
                self._altered.add(changed)

    def _hear(self) -> None:
        """Takes what has come; waits a little where nothing has."""
        due_s = next_moment_s(self._plan, self._standing)
        patience_s = _PATIENCE_S
        if due_s is not None:
            patience_s = min(patience_s, max(0.01, due_s - self._clock_s()))
        with suppress(queue.Empty):
            self._receive(self._line.heard.get(timeout=patience_s))
            until_s = monotonic() + _GATHER_S
            for _ in range(_MOST_AT_ONCE):
                self._receive(self._line.heard.get(timeout=max(0.0, until_s - monotonic())))

    def _receive(self, heard: Heard) -> None:
        if not heard.topic:
            self._reconnected = True
            return
        if self._topics.place(heard.topic) == ("wish", self._key.name):
            with suppress(InputError):
                self._take(decode_rollout_wish(heard.payload))
            return
        name = self._name_of(heard.topic)
        before = self._picture.boards.get(name)
        if self._picture.hear(heard.topic, heard.payload) is None or before is None:
            return
        self._altered.add(name)
        after = self._picture.boards[name]
        if after.answer != before.answer and after.answer not in ("none", "busy"):
            self._note(name, f"{after.phase}{': ' if after.reason else ''}{after.reason}")
            if after.answer == "reverted":  # a retained wish to go back would be heard again
                self._line.publish(self._desired(name), b"")

    def _take(self, wish: RolloutWish) -> None:
        if wish.action == "run" and wish.by != self._me:
            self._taken_over_by = wish.by
            return
        after = obey(self._standing, wish, self._clock_s())
        self._plan = effective(self._plan, wish)
        if after != self._standing:
            self._move(after)

    def _settle(self) -> None:
        """Decides and acts until there is nothing more to do now."""
        while actions := decide(self._plan, self._standing, self._picture.boards, self._clock_s()):
            for action in actions:
                self._carry_out(action)
        boards = self._picture.boards.values()
        self._say("progress", encode(progress_of(self._standing, boards, self._me)))
        altered = [self._picture.boards[name] for name in sorted(self._altered)]
        if altered or self._changes:
            self._memory.keep_boards(self._key, altered, self._changes)
        changes, self._changes = self._changes, []
        self._altered.clear()
        self._show(self._summary(), changes)

    def _carry_out(self, action: Action) -> None:
        match action:
            case Move(standing):
                self._move(standing)
            case Begin(name):
                board = self._picture.boards[name]
                self._hint(replace(board, hint="install", answer="none", reason=""))
            case Clear(name):
                self._hint(replace(self._picture.boards[name], hint=None))
            case GoBack(name):
                self._hint(replace(self._picture.boards[name], hint="roll-back"))

    def _hint(self, board: Board) -> None:
        """Tells a board; that this is retained makes it so."""
        self._altered.add(self._picture.see(board))
        wish = hint_of(board, self._key.name, self._plan.version)
        self._line.publish(self._desired(board.name), b"" if wish is None else encode(wish))

    def _move(self, after: Standing) -> None:
        before, self._standing = self._standing, after
        now = self._standing
        if now.state != before.state:
            self._note("", f"{now.state}{': ' if now.reason else ''}{now.reason}")
        elif now.wave != before.wave:
            self._note("", f"wave {now.wave + 1}: up to {self._plan.waves[now.wave]} boards")
        elif now.passed_s is not None and before.passed_s is None:
            self._note("", f"wave {now.wave + 1} is through")

    def _say(self, part: Part, payload: bytes) -> None:
        """Publishes and remembers what is new."""
        if self._parts.get(part) != payload:
            self._parts[part] = payload
            self._line.publish(self._topics.of(part, self._key.name), payload)
            self._memory.keep(self._key, part, payload)

    def _tell_again(self) -> None:
        """Makes good what a broker forgot that was restarted."""
        told: set[str] = set()
        heard_now = self._line.listen([self._hints])
        self._reconnected = False
        for heard in heard_now:
            if heard.topic.endswith(f"/deploy/desired/{self._plan.bundle}"):
                told.add(self._name_of(heard.topic))
            else:
                self._receive(heard)
        self._line.deafen([self._hints])
        if self._taken_over_by is not None:
            return
        for part, payload in self._parts.items():
            self._line.publish(self._topics.of(part, self._key.name), payload)
        for board in self._picture.boards.values():
            if board.is_open and board.name not in told:
                self._hint(board)

    def _remind(self) -> None:
        """Tells boards once more whose attempt failed, as where a server was gone for a while."""
        if self._clock_s() < self._remind_at_s:
            return
        self._remind_at_s = self._clock_s() + _REMIND_EVERY_S
        for board in self._picture.boards.values():
            if board.is_open and board.online and board.phase == "failed":
                self._hint(board)

    def _is_over(self) -> bool:
        if self._taken_over_by is not None:
            return True
        if self._standing.state != "aborted" or not self._standing.revert:
            return self._standing.state != "running"
        boards = self._picture.boards.values()
        if not any(b.is_open or (b.hint and b.answer == "done") for b in boards):
            return True
        return self._clock_s() >= self._standing.since_s + self._plan.deadline_s

    def _summary(self) -> Summary:
        due_s = next_moment_s(self._plan, self._standing)
        return summarise(
            self._key.name,
            self._key.fleet,
            self._plan,
            self._standing,
            self._picture.boards,
            waits_s=None if due_s is None else round(max(0.0, due_s - self._clock_s()), 1),
        )

    def _note(self, who: str, what: str) -> None:
        self._changes.append(Change(round(self._clock_s() * 1000), who, what))

    def _desired(self, board: str) -> str:
        return Topics(self._key.fleet, board).deploy_desired(self._plan.bundle)

    def _name_of(self, topic: str) -> str:
        return topic.split("/")[3]
