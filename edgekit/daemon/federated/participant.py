"""Takes part in one job: a thread of its own, which gives way to all other work."""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import msgspec

from edgekit.array import Array
from edgekit.config.federated import FederatedTable
from edgekit.daemon.federated.conditions import Busyness
from edgekit.daemon.federated.persistence import RoundFiles
from edgekit.daemon.federated.policy import Conditions, objection
from edgekit.daemon.federated.priority import give_way
from edgekit.daemon.federated.readiness import Readiness
from edgekit.daemon.federated.rounds import Rounds
from edgekit.daemon.federated.training import Shapes, Work
from edgekit.daemon.federated.voice import Voice
from edgekit.errors import EdgekitError, InputError
from edgekit.learning.federated.inbox import Inbox
from edgekit.learning.federated.messages import Invite, Receipt, Secure, Want, decode
from edgekit.learning.federated.privacy import Randomness, SecretRandomness
from edgekit.messaging.incoming import Received
from edgekit.messaging.payloads import FederatedReady
from edgekit.messaging.topics import Topics
from edgekit.messaging.wire import Wire

_log = logging.getLogger(__name__)
_LOOK_S = 1.0
_NEXT_S = 0.02
"""After how long more of a long message is said; longer each time that the link has no room."""
_MOST_PAUSE_S = 0.25
_MOST_WAITING = 1024
_LONGEST_MESSAGE_BYTES = 4 << 20
_CLOSE_S = 5.0
_LET_PASS_S = 0.1
_PEEK_S = 0.001


class Samples(Protocol):
    """What a board has to learn from."""

    def __len__(self) -> int:
        """How many there were at the last `refresh`."""

    def refresh(self) -> int:
        """Counts them."""

    def store(self) -> None:
        """Writes what waits to be written."""

    def samples(self) -> tuple[Array, ...]:
        """An array for each part of a sample, `[samples, ...]`."""

    def told_classes(self) -> tuple[float, ...] | None:
        """How many there are of each class, as far as that may be told."""


@dataclass(frozen=True)
class Board:
    """Where a participant is.

    Attributes:
        link: to the broker.
        topics: the board's.
        boot: the id of this run of the daemon.
        look: what the board is like now, but for what the participant knows itself.
        turn: is held while training: one training at a time.
        is_busy: whether a pipeline is at work on a sample right now.
    """

    link: Wire
    topics: Topics
    boot: str
    look: Callable[[], Conditions]
    turn: threading.Lock
    is_busy: Callable[[], bool] = lambda: False


class Participant:
    """Inside its `with` block the board takes part in one job's rounds, as its policy allows.

    Messages come on the link's thread and are only put in line there; all work is done on the
    participant's own thread.

    Attributes:
        job: the coordinator's name of the job.
    """

    def __init__(
        self,
        job: str,
        table: FederatedTable,
        folder: Path,
        *,
        step: str,
        shapes: Shapes,
        data: Samples,
        files: RoundFiles,
        board: Board,
        now_s: Callable[[], float] = time.time,
        clock_s: Callable[[], float] = time.monotonic,
        local: Callable[[], datetime] = datetime.now,
        noise: Randomness | None = None,
        on_counted: Callable[[], object] = lambda: None,
    ) -> None:
        """Nothing is read or sent yet.

        Args:
            job: its name.
            table: what the settings say of it.
            folder: the folder `train` of the pipeline's bundle.
            step: its `step_digest`.
            shapes: of the step's parameters.
            data: what the board has to learn from.
            files: where rounds are remembered.
            board: where it is.
            now_s: seconds since 1970.
            clock_s: seconds that never jump.
            local: the board's local time.
            noise: what privacy's noise is made of; `SecretRandomness` where left out.
            on_counted: is called on the participant's thread when an update counts.
        """
        self.job = job
        self._table, self._step, self._data, self._board = table, step, data, board
        self._clock_s, self._local = clock_s, local
        self._voice = Voice(board.link, board.topics, job, self._receive)
        self._rounds = Rounds(
            job,
            Work(board.topics.device, shapes, table.personal, keeps_model=table.use),
            folder,
            step=step,
            files=files,
            voice=self._voice,
            now_s=now_s,
            clock_s=clock_s,
            noise=noise or SecretRandomness(),
            on_counted=on_counted,
        )
        self._waiting: queue.Queue[Received | None] = queue.Queue(_MOST_WAITING)
        self._inbox = Inbox(_LONGEST_MESSAGE_BYTES)
        self._readiness = Readiness()
        self._connected, self._closing = threading.Event(), threading.Event()
        self._has_spoken = False
        self._why: str | None = ""
        self._next: Invite | None = None
        self._look_due_s, self._pause_s = 0.0, _NEXT_S
        self._busy: Busyness | None = None
        self._thread = threading.Thread(target=self._run, name=f"federated-{job}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._wake()
        self._thread.join(_CLOSE_S)
        if self._thread.is_alive():
            _log.warning("federated %s: still at a step of training; not waiting for it", self.job)

    @property
    def state(self) -> str:
        """Where the round stands, in a word."""
        return self._rounds.state

    @property
    def rounds(self) -> int:
        """How many of its updates counted."""
        return self._rounds.told.rounds

    @property
    def outcome(self) -> str:
        """What became of the last round that is over, in a word; empty before there was one."""
        return self._rounds.told.state

    # What follows runs on the link's thread.

    def _receive(self, message: Received) -> None:
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            _log.debug("federated %s: a message found no room", self.job)

    def _greet(self) -> None:
        self._connected.set()
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(queue.Full):  # then it is awake
            self._waiting.put_nowait(None)

    # What follows runs on the participant's own thread.

    def _run(self) -> None:
        self._busy = Busyness(give_way())
        try:
            self._rounds.resume()
        except Exception:
            _log.exception("federated %s: a bug while resuming; beginning anew", self.job)
        self._voice.listen()
        self._board.link.on_connect(self._greet)
        try:
            while not self._closing.is_set():
                try:
                    self._go_on()
                except EdgekitError as error:
                    _log.warning("federated %s: %s", self.job, error)
                except Exception:
                    _log.exception("a bug in the federated job %s", self.job)
        finally:
            self._board.link.off_connect(self._greet)
            self._voice.leave()
            self._rounds.leave()

    def _go_on(self) -> None:
        try:
            message = self._waiting.get(timeout=self._pause_s if self._voice.waits else _LOOK_S)
        except queue.Empty:
            message = None
        self._speak_on()
        if message is not None:
            self._heed(message)
        if self._next is not None:
            invite, self._next = self._next, None
            self._rounds.consider(invite, self._objection(), self._local().date())
        if self._clock_s() >= self._look_due_s or self._connected.is_set():
            self._look()
        current = self._rounds.current
        if current is not None and current.model is not None and not self._closing.is_set():
            self._train_in_turn()

    def _speak_on(self) -> None:
        if not self._voice.waits or self._voice.go_on():
            self._pause_s = _NEXT_S
        else:
            self._pause_s = min(2 * self._pause_s, _MOST_PAUSE_S)

    def _look(self) -> None:
        """What is due from time to time."""
        self._look_due_s = self._clock_s() + _LOOK_S
        self._data.store()
        self._data.refresh()
        if self._connected.is_set():
            self._connected.clear()
            self._has_spoken = True
            self._readiness.forget()
            self._rounds.repeat()
        self._tell_ready(self._objection())
        self._rounds.check()

    def _objection(self, *, training: bool = False) -> str | None:
        local = self._local()
        now = replace(
            self._board.look(),
            local=local.time(),
            samples=len(self._data),
            rounds_today=self._rounds.told.rounds_on(local.date()),
            busy=None if self._busy is None else self._busy.share(),
        )
        return objection(self._table.policy, now, training=training)

    def _tell_ready(self, why: str | None) -> None:
        if why != self._why:
            self._why = why
            said = "takes part" if why is None else f"does not take part: {why}"
            _log.info("federated %s: %s", self.job, said)
        ready = FederatedReady(
            boot=self._board.boot,
            step=self._step,
            willing=why is None,
            samples=len(self._data),
            why=why,
        )
        if self._has_spoken and self._readiness.is_due(ready, self._clock_s()):
            self._readiness.said(ready, self._clock_s())
            classes = self._data.told_classes()
            self._voice.ready(msgspec.structs.replace(ready, classes=classes))

    def _heed(self, message: Received) -> None:
        """Takes a message of the coordinator's."""
        if not message.payload:
            return  # a model is taken away
        if message.topic != self._voice.down:
            self._rounds.fetched(message.payload)
            return
        try:
            whole = self._inbox.add(message.payload)
            said = None if whole is None else decode(whole)
        except InputError as error:
            _log.warning("federated %s: passed over what is no message: %s", self.job, error)
            return
        match said:
            case Invite():
                self._next = said
            case Receipt() | Want() | Secure():
                self._rounds.heard(said)
            case _:
                return

    def _train_in_turn(self) -> None:
        if not self._board.turn.acquire(blocking=False):
            return
        try:
            self._rounds.train(self._data.samples(), self._should_stop)
        except EdgekitError as error:  # the samples cannot be read
            self._rounds.decline(str(error))
        finally:
            self._board.turn.release()

    def _let_pass(self) -> None:
        """Waits for a pipeline that is at work, but not for one that always is.

        Niceness alone would not do: Python's own lock knows none.
        """
        until_s = self._clock_s() + _LET_PASS_S
        while self._board.is_busy() and self._clock_s() < until_s:
            time.sleep(_PEEK_S)

    def _should_stop(self) -> str | None:
        """Is asked before each step; looks at the board about once a second."""
        self._let_pass()
        self._speak_on()
        if self._closing.is_set():
            return ""  # the round is gone on with after the next start
        while not self._waiting.empty():
            if (message := self._waiting.get_nowait()) is not None:
                self._heed(message)
        if self._rounds.current is None:
            return ""
        if self._next is not None:
            if not self._rounds.is_current(self._next.run, self._next.round):
                return "another round has begun"
            self._next = None  # a hint that it knows already
        if self._clock_s() < self._look_due_s:
            return None
        self._look_due_s = self._clock_s() + _LOOK_S
        self._data.store()
        return "the round is over" if self._rounds.is_over else self._objection(training=True)
