"""What the outbox does with its file: group commits, making room, and going on after trouble."""

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgekit.messaging.outbox_clock import OutboxClock, clock_is_trusted
from edgekit.messaging.outbox_line import FETCH, Wish
from edgekit.messaging.outbox_message import Letter, Priority, Stored
from edgekit.messaging.outbox_store import DamagedStore, OutboxStore, set_aside
from edgekit.messaging.outbox_trouble import is_damaged, why_not_stored
from edgekit.messaging.refusals import Complaints

log = logging.getLogger(__name__)

_SWEEP_S = 10.0
_KEEP_CLOCK_S = 600.0
_SWEEP_AT_ONCE = 1000

MayGo = Callable[[Sequence[int]], list[int]]
"""Gives those of some ids that are not on their way to the broker, and forgets these."""


@dataclass(frozen=True)
class Work:
    """What is to be done in one turn.

    Attributes:
        letters: to store.
        done: ids to delete.
        must_delete: whether the ids cannot wait for letters to come.
        wish: what to read.
        is_last: whether the outbox closes.
    """

    letters: Sequence[Letter]
    done: Sequence[int] = ()
    must_delete: bool = False
    wish: Wish | None = None
    is_last: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        is_kept: for each letter whether it is on the disk; empty where nothing was stored.
        stored: those that are.
        deleted: ids that are off the disk.
        pushed_out: how many messages made room.
        expired: how many were too old.
        found: what was wished for; `None` where it could not be read.
        next_id: the first free id, where the file was open.
        waiting: how many messages are on the disk.
        waiting_bytes: what they count towards the cap.
        failed: whether the disk took nothing of what it should have taken just now.
    """

    is_kept: Sequence[bool] = ()
    stored: Sequence[Stored] = ()
    deleted: Sequence[int] = ()
    pushed_out: int = 0
    expired: int = 0
    found: Sequence[Stored] | None = None
    next_id: int | None = None
    waiting: int = 0
    waiting_bytes: int = 0
    failed: bool = False


@dataclass
class _Removed:
    """What one transaction took away."""

    expired: int = 0
    pushed_out: set[int] = field(default_factory=set)


class OutboxWriter:
    """Owns the file; all but `has_expired` and `trouble` is for one thread.

    Attributes:
        path: the file.
        trouble: why the disk takes nothing, where it takes nothing.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        expiry_s: Mapping[Priority, float],
        is_clock_trusted: Callable[[], bool] | None = None,
        retry_s: float = 5.0,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Opens nothing yet; `work` does. See `Outbox` for the arguments."""
        self.path = path
        self.trouble: str | None = None
        self._max_bytes = max_bytes
        self._expiry_s = expiry_s
        self._is_trusted = is_clock_trusted or clock_is_trusted
        self._retry_s = retry_s
        self._clock_s = clock_s
        self._is_in_trouble = False  # until something is stored again; `trouble` until it is tried
        self._damage: str | None = None  # found while it was in use
        self._store: OutboxStore | None = None
        self._age: OutboxClock | None = None
        self._next_id = 1
        self._read_at_s = self._retry_at_s = self._sweep_at_s = self._keep_clock_at_s = clock_s()
        self._complaints = Complaints(log)

    def wait_s(self) -> float:
        """Seconds until there is something to do by itself."""
        due_s = self._sweep_at_s
        if self.trouble is not None or self._store is None:
            due_s = self._retry_at_s
        return max(0.0, due_s - self._clock_s())

    def has_expired(self, message_id: int, expires_s: float) -> bool:
        """Whether a message is too old."""
        return self._age is not None and self._age.has_expired(message_id, expires_s)

    def work(self, work: Work, *, may_go: MayGo) -> Outcome:
        """Does one turn's work in one transaction; what fails is said, and tried again later."""
        outcome = Outcome()
        if self.trouble is None or work.is_last or self._clock_s() >= self._retry_at_s:
            outcome = self._tried(lambda store: self._written(store, work, may_go))
        wish, found = work.wish, None
        if wish is not None and self.can_read:
            found = self._tried(
                lambda store: Outcome(found=store.between(wish.after_id, wish.before_id, FETCH))
            ).found
            if found is None:
                self._read_at_s = self._retry_at_s
        store = self._store
        if store is None:
            return Outcome(failed=True)
        self._next_id = store.next_id
        return replace(
            outcome,
            found=found,
            next_id=store.next_id,
            waiting=store.count,
            waiting_bytes=sum(store.bytes_by_priority.values()),
        )

    @property
    def can_read(self) -> bool:
        """Whether there is a file to read from; a full disk can be read."""
        return self._store is not None and self._clock_s() >= self._read_at_s

    def close(self) -> None:
        """Lets the file go."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _tried(self, do: Callable[[OutboxStore], Outcome]) -> Outcome:
        try:
            outcome = do(self._opened())
        except (sqlite3.Error, UnicodeDecodeError, DamagedStore, OSError) as error:
            self._give_up(error)
            return Outcome(failed=True)
        if self._is_in_trouble and outcome.stored:
            log.info("the outbox %s stores again", self.path)
            self._is_in_trouble = False
        return outcome

    def _opened(self) -> OutboxStore:
        if self._store is None:
            if self._damage is not None:
                self._set_aside(self._damage)
            try:
                self._store = OutboxStore(self.path)
            except DamagedStore as error:
                self._set_aside(str(error))
                self._store = OutboxStore(self.path)
            self._store.next_id = max(self._store.next_id, self._next_id)
            if self._age is None:
                self._age = OutboxClock(
                    self._store.clock, next_id=self._store.next_id, is_trusted=self._is_trusted
                )
            if self._store.count:
                log.info("%d messages wait in %s", self._store.count, self.path)
        return self._store

    def _set_aside(self, why: str) -> None:
        aside = set_aside(self.path)
        self._damage = None
        log.error("%s is damaged (%s): kept as %s, begun anew", self.path, why, aside)

    def _written(self, store: OutboxStore, work: Work, may_go: MayGo) -> Outcome:
        assert self._age is not None
        now_s = self._clock_s()
        must_sweep = now_s >= self._sweep_at_s
        must_keep_clock = now_s >= self._keep_clock_at_s and store.count > 0
        stale = self._stale(store) if must_sweep else []
        probes = self.trouble is not None
        must_write = (
            probes or work.letters or work.must_delete or work.is_last or stale or must_keep_clock
        )
        if must_sweep:
            self._sweep_at_s = now_s + _SWEEP_S
        if not must_write:
            return Outcome()
        store.begin()
        removed = _Removed()
        age_s = self._age.now_s()
        stored = store.add([(each, age_s + self._expiry_s[each.priority]) for each in work.letters])
        store.remove(work.done)
        if stale:
            gone = may_go(stale)
            store.remove(gone)
            removed.expired = len(gone)
        self._make_room(store, removed, may_go)
        store.commit(self._age.look(oldest_id=store.oldest_id()))
        self._keep_clock_at_s = now_s + _KEEP_CLOCK_S
        self.trouble = None
        if removed.pushed_out:
            text = f"the outbox {self.path} is full: the oldest messages make room, telemetry first"
            self._complaints.make("full", text)
        return Outcome(
            is_kept=[each.id not in removed.pushed_out for each in stored],
            stored=[each for each in stored if each.id not in removed.pushed_out],
            deleted=work.done,
            pushed_out=len(removed.pushed_out),
            expired=removed.expired,
        )

    def _make_room(self, store: OutboxStore, removed: _Removed, may_go: MayGo) -> None:
        """Takes the oldest telemetry, then the oldest events, until the rest fits."""
        for priority in Priority:
            limit = 32
            while (excess := sum(store.bytes_by_priority.values()) - self._max_bytes) > 0:
                oldest, chosen = store.oldest(priority, limit), []
                for message_id, _, size in oldest:
                    if excess <= 0:
                        break
                    chosen.append(message_id)
                    excess -= size
                gone = may_go(chosen)
                store.remove(gone)
                removed.pushed_out.update(gone)
                if not gone and len(oldest) < limit:
                    break  # the rest is on its way to the broker
                limit *= 2

    def _stale(self, store: OutboxStore) -> list[int]:
        return [
            message_id
            for priority in Priority
            for message_id, expires_s, _ in store.oldest(priority, _SWEEP_AT_ONCE)
            if self.has_expired(message_id, expires_s)
        ]

    def _give_up(self, error: Exception) -> None:
        """Notes why, for this time."""
        self._retry_at_s = self._clock_s() + self._retry_s
        self._sweep_at_s = max(self._sweep_at_s, self._retry_at_s)
        if isinstance(error, DamagedStore) or is_damaged(error):
            self.close()
            self._damage = str(error)
            self._retry_at_s = self._clock_s()
        elif self._store is not None:
            try:
                self._store.roll_back()
            except sqlite3.Error:
                self.close()
        reason = why_not_stored(error, self.path.parent)
        self.trouble = reason
        self._is_in_trouble = True
        self._complaints.make(
            reason,
            f"the outbox {self.path} stores nothing: {reason}; messages wait in memory only "
            "(trying on)",
        )
