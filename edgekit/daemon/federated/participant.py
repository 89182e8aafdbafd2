"""Takes part in the rounds of one job: a thread of its own, which gives way to all other work."""

import contextlib
import hashlib
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import msgspec
import numpy as np

from edgekit.array import Array
from edgekit.config.federated import FederatedTable
from edgekit.daemon.federated.conditions import Busyness
from edgekit.daemon.federated.delivery import Delivery, PlainDelivery
from edgekit.daemon.federated.downloading import Download
from edgekit.daemon.federated.persistence import Invited, RoundFiles, RoundId, Told, Trained
from edgekit.daemon.federated.policy import Conditions, objection
from edgekit.daemon.federated.priority import give_way
from edgekit.daemon.federated.readiness import Readiness
from edgekit.daemon.federated.training import Shapes, Work, train
from edgekit.errors import EdgekitError, InputError
from edgekit.learning.federated.framing import chunked
from edgekit.learning.federated.inbox import Inbox
from edgekit.learning.federated.messages import (
    Answer,
    Invite,
    Model,
    Receipt,
    Secure,
    Want,
    decode,
    encode,
)
from edgekit.learning.federated.trainer import LocalTrainer
from edgekit.messaging.incoming import Received
from edgekit.messaging.payloads import FederatedReady
from edgekit.messaging.payloads import encode as encode_payload
from edgekit.messaging.topics import FederatedTopics, Topics
from edgekit.messaging.wire import Wire

_log = logging.getLogger(__name__)
_LOOK_S = 1.0
_MOST_WAITING = 256
_LONGEST_MESSAGE_BYTES = 4 << 20
_STALLED_S = 5.0
_CHUNK_BYTES = 131_072
_FORGET_S = 7 * 86_400.0
_CLOSE_S = 5.0


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
    """

    link: Wire
    topics: Topics
    boot: str
    look: Callable[[], Conditions]
    turn: threading.Lock


@dataclass
class _Round:
    """The round that is under way.

    Attributes:
        invite: what it asks for.
        download: the model on its way, until it is there.
        model: the model, until it is trained from.
        trained: what is kept until the receipt.
        delivery: how that is sent.
    """

    invite: Invite
    taken_s: float
    download: Download | None = None
    model: Model | None = None
    trained: Trained | None = None
    delivery: Delivery | None = None

    @property
    def id(self) -> RoundId:
        return self.invite.run, self.invite.round


class Participant:
    """Inside its `with` block the board takes part in one job's rounds, as its policy allows.

    Messages come on the link's thread and are only put in line there; all work is done on the
    participant's own thread. What it has to remember is on the disk before anybody relies on it.

    Attributes:
        job: the coordinator's name of the job.
        state: where the round stands, in a word.
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
        seed: Callable[[], int] = lambda: secrets.randbits(128),
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
            seed: of privacy's noise.
        """
        self.job = job
        self.state = "idle"
        self._table, self._folder, self._step, self._data = table, folder, step, data
        self._files, self._board = files, board
        self._now_s, self._clock_s, self._local, self._seed = now_s, clock_s, local, seed
        self._work = Work(board.topics.device, shapes, table.personal)
        self._topics = FederatedTopics(board.topics.fleet, job)
        self._waiting: queue.Queue[Received | None] = queue.Queue(_MOST_WAITING)
        self._inbox = Inbox(_LONGEST_MESSAGE_BYTES)
        self._readiness = Readiness()
        self._connected = threading.Event()
        self._has_spoken = False
        self._closing = threading.Event()
        self._round: _Round | None = None
        self._told = Told()
        self._why: str | None = ""
        self._stop: str | None = None
        self._next: Invite | None = None
        self._look_due_s = 0.0
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
    def rounds(self) -> int:
        """How many of its updates counted."""
        return self._told.rounds

    @property
    def outcome(self) -> str:
        """What became of the last round that is over, in a word; empty before there was one."""
        return self._told.state

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
        link, down = self._board.link, self._board.topics.federated(self.job, "down")
        self._busy = Busyness(give_way())
        try:
            self._resume()
        except Exception:
            _log.exception("federated %s: a bug while resuming; beginning anew", self.job)
        link.subscribe(down, self._receive)
        link.on_connect(self._greet)
        try:
            while not self._closing.is_set():
                try:
                    self._turn()
                except EdgekitError as error:
                    _log.warning("federated %s: %s", self.job, error)
                except Exception:
                    _log.exception("a bug in the federated job %s", self.job)
        finally:
            link.off_connect(self._greet)
            link.unsubscribe(down, self._receive)
            if self._round is not None and self._round.download is not None:
                link.unsubscribe(self._topics.model(self._round.invite.model), self._receive)

    def _resume(self) -> None:
        """Goes on with the round that a restart interrupted."""
        self._told = self._files.told()
        trained = self._files.trained()
        kept = self._files.kept(self._step)
        if trained is not None and (trained.then.step != self._step or kept.after == trained.id):
            self._files.forget()
            trained = None
        if trained is not None:
            _log.info("federated %s: round %d waits for its receipt", self.job, trained.id[1])
            self._round = _Round(trained.invite, trained.trained_s, trained=trained)
            self._round.delivery = PlainDelivery(trained.message)
            self.state = "delivering"
            return
        invited = self._files.invited()
        if invited is None:
            return
        if invited.step != self._step or invited.is_over(self._now_s()):
            self._files.forget()
            return
        _log.info("federated %s: going on with round %d", self.job, invited.id[1])
        self._round = _Round(invited.invite, invited.taken_s)
        self._begin_download()

    def _turn(self) -> None:
        try:
            message = self._waiting.get(timeout=_LOOK_S)
        except queue.Empty:
            message = None
        if message is not None:
            self._heed(message)
        if self._next is not None:
            invite, self._next = self._next, None
            self._consider(invite)
        if self._clock_s() >= self._look_due_s or self._connected.is_set():
            self._look_due_s = self._clock_s() + _LOOK_S
            self._look()
        if self._round is not None and self._round.model is not None:
            self._train_in_turn(self._round)

    def _look(self) -> None:
        """What is due from time to time."""
        self._data.store()
        self._data.refresh()
        if self._connected.is_set():
            self._connected.clear()
            self._has_spoken = True
            self._readiness.forget()
            if self._round is not None and self._round.delivery is not None:
                self._send(self._round.delivery.again(), self._round.invite.chunk_bytes)
        self._tell_ready(self._objection())
        current = self._round
        if current is None:
            return
        if current.trained is not None:
            if self._now_s() - current.taken_s > _FORGET_S:
                self._end(current, "forgotten", "no receipt came")
        elif self._is_over(current):
            self._end(current, "expired", "the model did not come in time")
        elif current.download is not None and current.download.has_stalled(
            self._clock_s(), _STALLED_S
        ):
            topic = self._topics.model(current.invite.model)
            self._board.link.unsubscribe(topic, self._receive)
            self._board.link.subscribe(topic, self._receive)

    def _is_over(self, current: _Round) -> bool:
        return Invited(current.invite, current.taken_s, self._step).is_over(self._now_s())

    def _objection(self, *, training: bool = False) -> str | None:
        now = replace(
            self._board.look(),
            local=self._local().time(),
            samples=len(self._data),
            rounds_today=self._told.rounds_on(self._local().date()),
            busy=None if self._busy is None else self._busy.share(),
        )
        return objection(self._table.policy, now, training=training)

    def _tell_ready(self, why: str | None) -> None:
        if why != self._why:
            self._why = why
            if why is None:
                _log.info("federated %s: takes part", self.job)
            else:
                _log.info("federated %s: does not take part: %s", self.job, why)
        ready = FederatedReady(
            boot=self._board.boot,
            step=self._step,
            willing=why is None,
            samples=len(self._data),
            why=why,
        )
        if not self._has_spoken or not self._readiness.is_due(ready, self._clock_s()):
            return
        self._readiness.said(ready, self._clock_s())
        told = msgspec.structs.replace(ready, classes=self._data.told_classes())
        topic = self._board.topics.federated(self.job, "ready")
        self._board.link.publish(topic, encode_payload(told), retain=True)

    def _heed(self, message: Received) -> None:
        """Takes a message of the coordinator's."""
        current = self._round
        if not message.payload:
            return  # a model is taken away
        if message.topic != self._board.topics.federated(self.job, "down"):
            if current is not None and current.download is not None:
                self._fetched(current, current.download, message.payload)
            return
        try:
            whole = self._inbox.add(message.payload)
            said = None if whole is None else decode(whole)
        except InputError as error:
            _log.warning("federated %s: passed over what is no message: %s", self.job, error)
            return
        match said:
            case Invite():
                self._invited(said)
            case Receipt() if current is not None and (said.run, said.round) == current.id:
                self._receipt(current, said)
            case Want() if current is not None and (said.run, said.round) == current.id:
                self._wanted(current, said)
            case Secure() if current is not None and (said.run, said.round) == current.id:
                if current.delivery is not None:
                    self._send(current.delivery.heard(said), current.invite.chunk_bytes)
            case _:
                return

    def _invited(self, invite: Invite) -> None:
        current = self._round
        if current is None:
            self._next = invite
        elif (invite.run, invite.round) != current.id:
            self._stop, self._next = "another round has begun", invite
        elif current.delivery is not None:
            self._send(current.delivery.again(), current.invite.chunk_bytes)
        else:
            self._answer(invite, True)

    def _consider(self, invite: Invite) -> None:
        """Answers an invitation, and begins the round where the answer is yes."""
        wanted = (invite.run, invite.round)
        if self._round is not None and self._round.id == wanted:
            return
        if self._told.last == wanted:
            return
        if self._round is not None:
            self._end(self._round, "superseded", "another round has begun")
        why = self._objection() or self._work.refusal(invite)
        if why is None and invite.secure is not None:
            why = "this board does not know secure aggregation"
        if why is not None:
            self._answer(invite, False, why)
            return
        taken_s = self._now_s()
        self._told = self._told.begun(self._local().date())
        self._files.save_told(self._told)
        self._files.save_invited(Invited(invite, taken_s, self._step))
        self._round = _Round(invite, taken_s)
        _log.info("federated %s: round %d begins", self.job, invite.round)
        self._answer(invite, True)
        self._begin_download()

    def _begin_download(self) -> None:
        assert self._round is not None
        invite = self._round.invite
        self.state = "downloading"
        self._round.download = Download(invite.model, invite.model_bytes, self._clock_s())
        self._board.link.subscribe(self._topics.model(invite.model), self._receive)

    def _fetched(self, current: _Round, download: Download, payload: bytes) -> None:
        try:
            whole = download.add(payload, self._clock_s())
        except InputError as error:
            _log.warning("federated %s: %s", self.job, error)
            return
        if whole is None:
            return
        self._end_download(current)
        try:
            said = decode(whole)
            if not isinstance(said, Model):
                raise InputError("what came for a model is none")
        except InputError as error:
            self._decline(current, str(error))
            return
        current.model = said
        self.state = "waiting"

    def _end_download(self, current: _Round) -> None:
        if current.download is not None:
            self._board.link.unsubscribe(self._topics.model(current.download.name), self._receive)
            current.download = None

    def _train_in_turn(self, current: _Round) -> None:
        if not self._board.turn.acquire(blocking=False):
            return
        try:
            self.state = "training"
            self._train(current)
        except (EdgekitError, MemoryError) as error:
            self._decline(current, str(error).splitlines()[0] if str(error) else "no memory")
        except Exception:
            _log.exception("federated %s: a bug while training", self.job)
            self._decline(current, "a bug; the board's log has more")
        finally:
            self._board.turn.release()

    def _train(self, current: _Round) -> None:
        invite, model = current.invite, current.model
        assert model is not None
        self._stop = None
        outcome = train(
            LocalTrainer(self._folder, threads=1),
            self._work,
            invite,
            model,
            self._data.samples(),
            self._files.kept(self._step),
            rng=np.random.default_rng(self._seed()),
            should_stop=self._should_stop,
        )
        if self._round is not current or self._closing.is_set():
            return  # a receipt ended it, or it is gone on with after the next start
        if outcome is None:
            self._decline(current, self._stop or "stopped")
            return
        trained = Trained(invite, outcome.message(invite), outcome.then, self._now_s())
        self._files.save_trained(trained)
        current.trained, current.model = trained, None
        current.taken_s = trained.trained_s
        current.delivery = PlainDelivery(trained.message)
        self.state = "delivering"
        _log.info(
            "federated %s: round %d: trained on %d samples, sending %d bytes",
            self.job,
            invite.round,
            outcome.update.samples,
            len(trained.message),
        )
        self._send(current.delivery.again(), invite.chunk_bytes)

    def _should_stop(self) -> bool:
        """Is asked before each step; looks around about once a second."""
        if self._closing.is_set():
            return True
        if self._clock_s() >= self._look_due_s:
            self._look_due_s = self._clock_s() + _LOOK_S
            self._data.store()
            self._stop = self._stop or self._objection(training=True)
            if self._round is not None and self._is_over(self._round):
                self._stop = self._stop or "the round is over"
        while self._stop is None and not self._waiting.empty():
            if (message := self._waiting.get_nowait()) is not None:
                self._heed(message)
        return self._stop is not None

    def _receipt(self, current: _Round, receipt: Receipt) -> None:
        if receipt.state == "counted":
            if current.trained is None:
                return  # it is of no update of ours
            self._files.count(current.trained)
            self._told = replace(self._told, rounds=self._told.rounds + 1)
        self._end(current, receipt.state, receipt.why)

    def _wanted(self, current: _Round, want: Want) -> None:
        if current.delivery is None:
            return
        for message in current.delivery.again():
            chunks = chunked(message, current.invite.chunk_bytes)
            if _name_of(message) != want.of:
                continue
            numbers = want.numbers or range(len(chunks))
            self._publish([chunks[number] for number in numbers if number < len(chunks)])

    def _decline(self, current: _Round, why: str) -> None:
        self._answer(current.invite, False, why[:500])
        self._end(current, "declined", why)

    def _end(self, current: _Round, state: str, why: str = "") -> None:
        """The round is over; what it would have changed is forgotten, unless it counted."""
        self._end_download(current)
        self._files.forget()
        self._round = None
        self._stop = self._stop or state
        self.state = "idle"
        self._told = replace(self._told, state=state, last=current.id)
        self._files.save_told(self._told)
        level = logging.WARNING if state in ("refused", "forgotten") else logging.INFO
        more = f": {why}" if why else ""
        _log.log(level, "federated %s: round %d is %s%s", self.job, current.id[1], state, more)

    def _answer(self, invite: Invite, accepts: bool, why: str = "") -> None:
        answer = Answer(run=invite.run, round=invite.round, accepts=accepts, why=why)
        self._send([encode(answer)], _CHUNK_BYTES)

    def _send(self, messages: Sequence[bytes], chunk_bytes: int) -> None:
        for message in messages:
            self._publish(chunked(message, chunk_bytes))

    def _publish(self, chunks: Sequence[bytes]) -> None:
        topic = self._board.topics.federated(self.job, "up")
        for chunk in chunks:
            self._board.link.publish(topic, chunk)


def _name_of(message: bytes) -> bytes:
    """What `chunked` calls a message: the first half of its SHA-256."""
    return hashlib.sha256(message).digest()[:16]
