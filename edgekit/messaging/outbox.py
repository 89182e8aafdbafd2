"""Keeps messages on the disk until the broker has confirmed them: see `docs/durability.md`."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.messaging.outbox_counts import OutboxCounts
from edgekit.messaging.outbox_line import OutboxLine
from edgekit.messaging.outbox_message import Letter, Priority, Stored
from edgekit.messaging.outbox_pending import Handed, Pending
from edgekit.messaging.outbox_ticket import Ticket
from edgekit.messaging.outbox_writer import OutboxWriter, Outcome, Work
from edgekit.messaging.refusals import Complaints
from edgekit.messaging.topic_filter import is_topic

__all__ = ["Outbox", "OutboxCounts", "Priority", "Stored", "Ticket", "open_outbox"]

log = logging.getLogger(__name__)

_DELETE_AFTER_S = 0.5
_MOST_DONE = 256
_NO_ROOM = frozenset({0x89, 0x97})
"""Reason codes that pass: server busy, quota exceeded."""

EXPIRY_S: Mapping[Priority, float] = {
    Priority.TELEMETRY: 24 * 3600.0,
    Priority.EVENT: 7 * 24 * 3600.0,
}
"""How old messages grow unless the settings say otherwise."""


class Outbox:
    """A store of messages with one thread that writes, which the link empties.

    The promise for a message begins when its ticket says stored, and ends with the broker's
    confirmation, its expiry, or its being dropped for want of room or because the broker refuses
    it, both of which are counted. Nothing here waits for the disk but the writing thread; where
    the disk takes nothing, messages go to whoever `attach`ed, to be held in memory.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = 64 * 1024 * 1024,
        expiry_s: Mapping[Priority, float] = EXPIRY_S,
        backfill_hz: float = 50.0,
        is_clock_trusted: Callable[[], bool] | None = None,
        gather_s: float = 0.0,
        retry_s: float = 5.0,
    ) -> None:
        """Prepares the outbox; the `with` block opens the file.

        Args:
            path: the file; its folder is there.
            max_bytes: how much it holds; the file itself grows to about a third more.
            expiry_s: how old a message of each priority grows.
            backfill_hz: how many late messages are sent in a second at most.
            is_clock_trusted: whether the wall clock is right; found out where left out.
            gather_s: for how long telemetry may wait for more to be committed with it, which
                spares the disk; an event is committed at once, and what waits with it.
            retry_s: how long to leave a disk alone that took nothing.
        """
        self._lock = threading.Lock()  # guards all that follows but what Ticket uses
        self._has_work = threading.Condition(self._lock)
        self._committed = threading.Condition()
        self._max_bytes = max_bytes
        self._pending = Pending(gather_s)
        self._in_work: list[Handed] = []
        self._is_closing = False
        self._has_looked = False
        self._is_refusing = False
        self._done_since_s = 0.0
        self._counts = OutboxCounts()
        self._dropped: Counter[str] = Counter()
        self._wake: Callable[[], None] = lambda: None
        self._overflow: Callable[[Letter], bool] = lambda letter: False
        self._complaints = Complaints(log)
        self._line = OutboxLine(next_id=1, late_per_s=backfill_hz, is_stale=self._is_stale)
        self._writer = OutboxWriter(
            path,
            max_bytes=max_bytes,
            expiry_s=expiry_s,
            is_clock_trusted=is_clock_trusted,
            retry_s=retry_s,
        )
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def counts(self) -> OutboxCounts:
        """What became of the messages, and what waits."""
        with self._lock:
            done = self._line.done
            return replace(
                self._counts,
                dropped=dict(self._dropped),
                waiting=self._counts.waiting - len(done) + len(self._pending) + len(self._in_work),
                waiting_bytes=self._counts.waiting_bytes - sum(done.values()),
            )

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits; not before the file was looked into."""
        return self._has_looked and self.counts.waiting == 0

    @property
    def is_busy(self) -> bool:
        """Whether messages of this run are on their way to the disk, or live ones to the broker."""
        with self._lock:
            return bool(self._pending or self._in_work or self._line.is_busy)

    @property
    def trouble(self) -> str | None:
        """Why the disk takes nothing, where it takes nothing."""
        return self._writer.trouble

    def put(self, topic: str, payload: bytes, *, priority: Priority) -> Ticket:
        """Hands over a message; from any thread, and without waiting.

        Args:
            topic: where to; without wildcards.
            payload: a JSON object without a `hist` of its own, or any other bytes.
            priority: telemetry makes room for events.

        Raises:
            ValueError: a topic that cannot be.
        """
        if not is_topic(topic):
            raise ValueError(f"cannot publish to {topic!r}")
        letter, ticket = Letter(topic, payload, priority), Ticket(self._committed)
        with self._lock:
            if letter.size_bytes > self._max_bytes:
                self._dropped["too large"] += 1
                ticket.is_stored, ticket.is_lost = False, True
                return ticket
            is_shut = self._is_refusing or self._is_closing
            takes = not is_shut and self._pending.add(letter, ticket)
            if takes:
                self._has_work.notify()
        if not takes:
            self._pass_by([(letter, ticket)])
        return ticket

    def close(self, timeout_s: float = 5.0) -> None:
        """Commits what was handed over and lets the file go; not later than in so many seconds."""
        with self._lock:
            self._is_closing = True
            self._has_work.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                log.warning("the disk does not answer: left %s as it was", self._writer.path)

    # What follows is for the link.

    def attach(self, wake: Callable[[], None], overflow: Callable[[Letter], bool]) -> None:
        """Says whom to wake when there is something to take, and who gets what is not stored."""
        with self._lock:
            self._wake, self._overflow = wake, overflow

    def connected(self, window: int) -> None:
        """The broker is there, and takes so many unconfirmed messages."""
        with self._lock:
            self._line.connected(window)
            self._has_work.notify()

    def connection_lost(self) -> None:
        """Nothing that is unconfirmed will be."""
        with self._lock:
            parked = self._line.connection_lost()
        if parked:
            text = "a message ended five connections and is set aside for ten minutes"
            self._complaints.make("parked", text)

    def take(self) -> Stored | None:
        """The next message for the broker, if there is one to send now."""
        with self._lock:
            message = self._line.take()
            if message is not None:
                self._counts = replace(self._counts, sent=self._counts.sent + 1)
            if self._line.wish() is not None:
                self._has_work.notify()
        return message

    def wait_s(self) -> float | None:
        """Seconds until `take` may give something, where no one will wake its caller."""
        with self._lock:
            return self._line.wait_s()

    def confirmed(self, message_id: int, code: int) -> None:
        """The broker's answer to a message.

        Args:
            message_id: which one.
            code: the MQTT 5 reason code; 0x80 and above are failures.
        """
        with self._lock:
            if code in _NO_ROOM:
                if message_id in self._line.in_flight:
                    self._line.hold(message_id)
                return
            message = self._settled(message_id)
            if message is None:
                return
            if code >= 0x80:
                self._dropped["refused"] += 1
            else:
                self._counts = replace(
                    self._counts,
                    acknowledged=self._counts.acknowledged + 1,
                    backfilled=self._counts.backfilled + message.is_late,
                )

    def give_up(self, message_id: int, reason: str) -> None:
        """A message can never be sent."""
        with self._lock:
            if self._settled(message_id) is not None:
                self._dropped[reason] += 1

    def _settled(self, message_id: int) -> Stored | None:
        message = self._line.settled(message_id)
        if len(self._line.done) == 1:
            self._done_since_s = time.monotonic()
        if len(self._line.done) in (1, _MOST_DONE):
            self._has_work.notify()
        return message

    # What follows runs on the writing thread.

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except Exception:
            log.exception("a bug in the outbox: it stores nothing any more")
        finally:
            with self._lock:
                self._is_refusing = True
                left = self._in_work + self._pending.take_all()
                self._in_work = []
            self._pass_by(left)
            self._writer.close()

    def _turn(self) -> bool:
        """Waits for work and does it; false at the end."""
        with self._lock:
            while not self._must_work() and (wait_s := self._wait_s()) > 0:
                self._has_work.wait(wait_s)
            pending = self._pending.take_all()
            self._in_work = pending
            work = Work(
                letters=[letter for letter, _ in pending],
                done=list(self._line.done),
                must_delete=self._must_delete(),
                wish=self._line.wish(),
                is_last=self._is_closing,
            )
        outcome = self._writer.work(work, may_go=self._may_go)
        has_more = self._take_in(work, outcome)
        self._tell(pending, outcome.is_kept)
        if has_more:
            self._wake()
        return not work.is_last

    def _must_work(self) -> bool:
        return bool(
            self._is_closing
            or (self._pending and not self._is_refusing and self._pending.due_s() <= 0)
            or (self._line.wish() and self._writer.can_read)
            or self._must_delete()
        )

    def _must_delete(self) -> bool:
        """Whether what the broker has confirmed should be off the disk without more delay."""
        if self._is_refusing or not self._line.done:
            return False
        late = time.monotonic() - self._done_since_s >= _DELETE_AFTER_S
        return late or len(self._line.done) >= _MOST_DONE

    def _wait_s(self) -> float:
        wait_s = self._writer.wait_s()
        if self._pending and not self._is_refusing:
            wait_s = min(wait_s, self._pending.due_s())
        if self._line.done and not self._is_refusing:
            wait_s = min(wait_s, self._done_since_s + _DELETE_AFTER_S - time.monotonic())
        return wait_s

    def _take_in(self, work: Work, outcome: Outcome) -> bool:
        """Notes what the disk holds now; says whether there is more for the broker."""
        with self._lock:
            line = self._line
            self._has_looked = True
            self._is_refusing = self._writer.trouble is not None
            if outcome.failed:
                line.read_again()
            if outcome.next_id is not None:
                line.deleted(outcome.deleted)
                line.committed(outcome.stored, outcome.next_id)
            if outcome.pushed_out:
                self._dropped["full"] += outcome.pushed_out
            if work.wish is not None and outcome.found is not None:
                line.fetched(work.wish, outcome.found)
            if outcome.deleted:
                self._done_since_s = time.monotonic()
            stale, line.stale = line.stale, []
            self._counts = replace(
                self._counts,
                stored=self._counts.stored + len(outcome.stored),
                expired=self._counts.expired + outcome.expired + len(stale),
                waiting=outcome.waiting,
                waiting_bytes=outcome.waiting_bytes,
            )
            if outcome.is_kept or not work.letters:
                self._in_work = []
            return line.takes_live and bool(outcome.stored or outcome.found)

    def _may_go(self, ids: Sequence[int]) -> list[int]:
        with self._lock:
            return self._line.gone(ids)

    def _tell(self, pending: Sequence[Handed], is_kept: Sequence[bool]) -> None:
        """Settles tickets: kept, pushed out at once, or (no answer at all) not stored."""
        if not is_kept:
            self._pass_by(pending)
            with self._lock:
                self._in_work = []  # only now: what waits is counted somewhere at all times
            return
        with self._committed:
            for (_, ticket), kept in zip(pending, is_kept, strict=True):
                ticket.is_stored = kept
            self._committed.notify_all()

    def _pass_by(self, pending: Sequence[Handed]) -> None:
        if not pending:
            return
        with self._lock:
            unstored = self._counts.unstored + len(pending)
            self._counts = replace(self._counts, unstored=unstored)
            overflow = self._overflow
        for letter, ticket in pending:
            ticket.is_lost = not overflow(letter)
        with self._committed:
            for _, ticket in pending:
                ticket.is_stored = False
            self._committed.notify_all()

    def _is_stale(self, message: Stored) -> bool:
        return self._writer.has_expired(message.id, message.expires_s)


@contextmanager
def open_outbox(
    path: Path,
    *,
    max_bytes: int = 64 * 1024 * 1024,
    expiry_s: Mapping[Priority, float] = EXPIRY_S,
    backfill_hz: float = 50.0,
    is_clock_trusted: Callable[[], bool] | None = None,
    gather_s: float = 0.0,
) -> Iterator[Outbox]:
    """An outbox in a file, for as long as the block runs; see `Outbox` for the arguments.

    Never raises for the file: what is wrong with it is logged, and tried again.
    """
    with Outbox(
        path,
        max_bytes=max_bytes,
        expiry_s=expiry_s,
        backfill_hz=backfill_hz,
        is_clock_trusted=is_clock_trusted,
        gather_s=gather_s,
    ) as outbox:
        yield outbox
