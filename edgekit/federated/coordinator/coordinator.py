"""Carries a job on: hears boards, decides, remembers, and tells them."""

from collections.abc import Callable
from dataclasses import replace
from time import time

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.federated.coordinator.changes import Change
from edgekit.federated.coordinator.collecting import Collector, Plain, Summed
from edgekit.federated.coordinator.combining import checked
from edgekit.federated.coordinator.course import Course
from edgekit.federated.coordinator.inviting import SeedOf, seeds
from edgekit.federated.coordinator.judging import best_of, enough
from edgekit.federated.coordinator.line import Line
from edgekit.federated.coordinator.mail import Delivery, Letter, Mail
from edgekit.federated.coordinator.memory import Memory
from edgekit.federated.coordinator.models import Models
from edgekit.federated.coordinator.picture import Board
from edgekit.federated.coordinator.post import Post
from edgekit.federated.coordinator.recording import round_of
from edgekit.federated.coordinator.remembering import remember
from edgekit.federated.coordinator.rounds import Rounds
from edgekit.federated.coordinator.seats import (
    Action,
    Combine,
    Note,
    Open,
    Reply,
    Summon,
)
from edgekit.federated.coordinator.starting import course_of
from edgekit.federated.coordinator.summary import Summary, round_line, summarise
from edgekit.federated.job.opening import OpenJob
from edgekit.federated.model import GlobalModel, RoundFailed
from edgekit.federated.report import Round
from edgekit.learning.federated.checks import UpdateRefused
from edgekit.learning.federated.framing import decode_chunk
from edgekit.learning.federated.messages import Answer, Want
from edgekit.learning.federated.secure.refusal import MessageRefused
from edgekit.learning.federated.trainer import Guidance
from edgekit.messaging.line import Heard
from edgekit.messaging.payloads import decode_status
from edgekit.messaging.payloads.federated import decode_federated_ready
from edgekit.messaging.topics import FEDERATED_PREFIX, PREFIX, FederatedTopics, check_name

Show = Callable[[Summary, list[Change]], None]
"""Is told where a job is, and what has changed since the last time."""

_PATIENCE_S = 0.5
_GATHER_S = 0.02
"""How long messages gather after the first: each write to the disk is for all of them."""
_QUIET_S = 3.0
"""After how long without a next chunk it is asked for."""


def show_nobody(summary: Summary, changes: list[Change]) -> None:
    """What is shown to nobody."""


class Coordinator:
    """One turn at a job; it may begin wherever another was cut off. For one thread.

    What boards are told follows what is on the disk: an update is `counted` once it is stored, and
    a model is published once its round is.
    """

    def __init__(
        self,
        opened: OpenJob,
        line: Line,
        memory: Memory,
        *,
        run: str,
        show: Show = show_nobody,
        on_round: Callable[[list[Round]], None] = lambda rounds: None,
        seed_of: SeedOf | None = None,
        clock_s: Callable[[], float] = time,
    ) -> None:
        """Nothing is heard or said yet.

        Args:
            opened: the job.
            line: to the broker, open.
            memory: the job's.
            run: names the job's running.
            show: is told what happens.
            on_round: is told of all rounds after each.
            seed_of: of each board's order of samples; follows from the job's seed where left out.
            clock_s: seconds since 1970.
        """
        job = opened.job
        self._opened, self._line, self._memory = opened, line, memory
        self._run, self._show, self._on_round, self._clock_s = run, show, on_round, clock_s
        self._topics = FederatedTopics(job.fleet, job.name)
        self._rounds = memory.rounds()
        self._course: Course = course_of(opened, memory)
        self._models = Models(
            self._topics,
            run,
            codec=job.training.model_codec,
            chunk_bytes=job.training.chunk_kb * 1024,
            publish=line.publish,
            content=self._content,
        )
        self._post = Post(
            opened,
            run,
            models=self._models,
            publish=line.publish,
            guidance=self._guidance,
            seed_of=seed_of or seeds(job.training.seed),
        )
        self._collector: Collector = Plain(opened, memory)
        if job.secure is not None:
            self._collector = Summed(opened, memory, self._course, self._post, self._samples_of)
        self._mail = Mail(opened.largest_bytes)
        self._loaded: dict[int, GlobalModel] = {}
        self._stored: list[tuple[int, str, Delivery]] = []
        self._todo: list[Action] = []
        self._changes: list[Change] = []
        self._refused: dict[str, str] = {}
        self._said: set[tuple[str, str]] = set()
        self._round_began_s = clock_s()

    def run(self) -> Summary:
        """Carries the job on until it is at its end.

        Raises:
            InputError: the memory cannot be used.
            Unavailable: the broker does not let us, or falls silent.
        """
        self._resume()
        while self._course.stopped is None:
            self._hear()
            self._line.check()
            self._settle()
        self._models.clear()
        self._line.flush()
        return self._summary()

    def _resume(self) -> None:
        """Hears what is retained, and goes on from what is remembered."""
        start = f"{PREFIX}/{self._opened.job.fleet}/+"
        boards = [f"{start}/status"]
        boards += [self._topics.from_boards("ready"), self._topics.from_boards("up")]
        models = f"{FEDERATED_PREFIX}/{self._topics.fleet}/{self._topics.job}/model/+/+"
        self._line.listen([*boards, models])
        left_over = []
        for heard in self._line.gather(0.0, 0.0):
            if heard.topic.startswith(PREFIX + "/"):
                self._receive(heard)
            elif heard.payload:
                left_over.append(heard.topic)
        self._line.listen_only(boards)
        for topic in left_over:  # models that are needed are shown again with their invitations
            self._line.publish(topic, b"", retain=True)
        now_s = self._clock_s()
        for number, board in self._memory.delivered_lately():
            self._todo.append(Reply(board, number, "counted"))
        self._todo += self._course.remind_all(now_s)
        if self._rounds:
            done = f"{self._course.done} of {self._course.rules.count}"
            self._todo.append(Note("", f"goes on: {done} rounds are done"))
        if (why := enough(self._rounds, self._opened.job.evaluation)) is not None:
            self._todo += self._course.stop("finished", why)
        self._settle()

    def _hear(self) -> None:
        """Takes what has come; waits a little where nothing has."""
        now_s = self._clock_s()
        moments_s = [*self._course.moments_s(), *self._collector.moments_s()]
        due_s = [moment for moment in moments_s if moment > now_s]
        patience_s = min([_PATIENCE_S, *(max(0.01, moment - now_s) for moment in due_s)])
        for heard in self._line.gather(patience_s, _GATHER_S):
            self._receive(heard)
        for board, count in self._line.floods().items():
            self._refuse(board, f"it sends more than fits: {count} messages were dropped")
        if self._mail.waits:
            for board, of, missing in self._mail.stuck(self._clock_s(), _QUIET_S):
                seat = self._course.seats.get(board)
                if seat is None or not seat.is_open:
                    self._mail.forget(board)  # nobody waits for it
                else:
                    self._post.want(board, seat.number, of, missing)

    def _receive(self, heard: Heard) -> None:
        if not heard.topic:
            self._models.show_again()
            self._todo += self._course.remind_all(self._clock_s())
            return
        if not heard.topic.startswith(PREFIX + "/"):
            return  # a model that came before its subscription's end
        levels = heard.topic.split("/")
        name, part = levels[3], levels[-1]
        try:
            check_name("device", name)  # others could be told nothing
            if part == "up":
                self._post.traffic.up += len(heard.payload)
                self._open(name, heard.payload)
            else:
                self._notice(name, part, heard.payload)
        except InputError as error:
            self._refuse(name, str(error))

    def _notice(self, name: str, part: str, payload: bytes) -> None:
        board = self._course.boards.get(name, Board(name))
        if not payload:
            board = replace(board, online=False) if part == "status" else Board(name, board.online)
        elif part == "status":
            board = board.with_status(decode_status(payload))
        else:
            board = board.with_ready(decode_federated_ready(payload))
        spoke = part == "ready"
        self._todo += self._course.hear(board, self._clock_s(), spoke=spoke)

    def _open(self, name: str, payload: bytes) -> None:
        seat = self._course.seats.get(name)
        if seat is not None and seat.state == "delivered":
            chunk = decode_chunk(payload)
            if chunk.of == seat.digest:  # it has not heard yet; nobody needs it whole again
                if chunk.number == 0:
                    self._take(name, Delivery(self._run, seat.number, b"", chunk.of))
                return
        letter = self._mail.add(name, payload, self._clock_s())
        if letter is None:
            self._course.stirred(name)
        else:
            self._read(name, letter)

    def _read(self, name: str, letter: Letter) -> None:
        if isinstance(letter, Delivery):
            self._take(name, letter)
        elif letter.run != self._run:
            self._post.reply(Reply(name, letter.round, "void", "of another run"), letter.run)
        elif isinstance(letter, Answer):
            seat = self._course.seats.get(name)
            if letter.accepts and seat is not None and seat.state == "invited":
                self._post.downloaded(seat.version)
            self._todo += self._course.answer(
                name, letter.round, accepts=letter.accepts, why=letter.why
            )
        elif isinstance(letter, Want):
            seat = self._course.seats.get(name)
            if seat is not None:
                self._todo.append(Summon(seat, new=False))
        else:
            try:
                self._todo += self._collector.heard(name, letter)
            except MessageRefused as error:  # it may still send a good one
                self._name(name, error.why)

    def _take(self, name: str, delivery: Delivery) -> None:
        """An update came whole."""
        if delivery.run != self._run:
            reply = Reply(name, delivery.number, "void", "of another run")
            self._post.reply(reply, delivery.run)
            return
        if not self._collector.sees_updates:
            self._refuse(name, "it sent its update as it is, and this job takes sums alone")
            return
        number, now_s = delivery.number, self._clock_s()
        verdict = self._course.judge(name, number, delivery.digest, now_s)
        if verdict is not None:
            self._todo.append(Reply(name, number, verdict.state, verdict.why))
            if verdict.is_news and (name, verdict.state) not in self._said:
                self._said.add((name, verdict.state))  # once a round, whatever else it sends
                self._todo.append(Note(name, f"{verdict.state}: {verdict.why}"))
            if verdict.state == "refused":
                self._refused.setdefault(name, verdict.why)
            return
        try:
            checked(self._opened, name, self._course.seats[name].version, delivery)
        except InputError as error:
            why = error.why if isinstance(error, UpdateRefused) else str(error)
            self._refuse(name, why)
            return
        self._stored.append((number, name, delivery))
        self._todo += self._course.stored(name, number, delivery.digest)

    def _refuse(self, name: str, why: str) -> None:
        """Something of a board is wrong: it is named, and its place in the round is lost."""
        self._mail.forget(name)
        seat = self._course.seats.get(name)
        if seat is not None and seat.is_open:
            self._refused.setdefault(name, why)
            self._todo += self._course.refuse(name, seat.number, why)
        else:
            self._name(name, why)

    def _name(self, name: str, why: str) -> None:
        if name not in self._refused:  # once a round, whatever else it sends
            self._refused[name] = why
            self._todo.append(Note(name, f"refused: {why}"))

    def _settle(self) -> None:
        """Decides and acts until there is nothing more to do now."""
        self._todo += self._collector.step(self._clock_s())
        self._carry_out()
        while self._course.stopped is None and (actions := self._course.tick(self._clock_s())):
            for action in actions:
                if isinstance(action, Combine):
                    self._combine(action)
                else:
                    self._todo.append(action)
            self._carry_out()
        self._models.clear(kept=self._course.versions)
        changes, self._changes = self._changes, []
        self._show(self._summary(), changes)

    def _carry_out(self) -> None:
        """Remembers what is to be done, and then does it."""
        todo, self._todo = self._todo, []
        stored, self._stored = self._stored, []
        notes = [self._change(action) for action in todo if isinstance(action, Note)]
        if todo or stored:
            with self._memory.together():
                for number, board, delivery in stored:
                    self._memory.keep_update(number, board, delivery.digest, delivery.message)
                for action in todo:
                    remember(self._memory, self._course, action)
                self._memory.keep_changes(notes)
        self._changes += notes
        now_s = self._clock_s()
        for action in todo:
            if isinstance(action, Open):
                self._round_began_s = now_s
                invited = [a.seat.board for a in todo if isinstance(a, Summon)]
                self._collector.begin(action.attempt, invited, now_s)
            elif isinstance(action, Summon):
                self._invite(action, now_s)
            elif isinstance(action, Reply):
                self._post.reply(action)

    def _invite(self, action: Summon, now_s: float) -> None:
        secure = self._collector.settings(action.seat.number)
        if secure is None and not self._collector.sees_updates:
            return  # there is no sum to invite to, and nobody is asked for a bare update
        self._post.invite(action.seat, now_s, secure, self._memory.last_of(action.seat.board))
        if not action.new:
            self._collector.again(action.seat.board)

    def _combine(self, action: Combine) -> None:
        """Combines, judges, and commits: all of it, or none."""
        now_s = self._clock_s()
        model = self._model(self._course.version)
        try:
            made = self._collector.combined(model, action.updates)
        except RoundFailed as error:
            with self._memory.together():
                self._memory.spend_updates(action.updates, "void")
            self._todo += self._course.failed(str(error), now_s)
            return
        attempt = self._course.attempt if isinstance(self._course, Rounds) else None
        chosen = len(self._course.seats)
        one = round_of(
            made,
            self._course,
            action.updates,
            chosen=chosen if attempt is not None else None,
            refused=self._refused,
            traffic=self._post.traffic,
            seconds=now_s - self._round_began_s,
        )
        replies = self._course.committed(made.model.version)
        note = self._change(Note("", round_line(one, chosen or one.updates)))
        rounds = [*self._rounds, one]
        best = best_of(rounds)
        kept = {made.model.version, *self._course.versions, *([best.number] if best else [])}
        with self._memory.together():
            self._memory.keep_model(made.model)
            self._memory.keep_round(one)
            replies = [*self._collector.committed(action.updates), *replies]
            if attempt is not None:
                self._memory.close_attempt(attempt.number, "counted")
            self._memory.drop_models(kept)
            self._memory.keep_changes([note])
        self._rounds = rounds
        self._changes.append(note)
        self._todo += replies
        self._loaded = {version: m for version, m in self._loaded.items() if version in kept}
        self._loaded[made.model.version] = made.model
        self._post.traffic.up = self._post.traffic.down = 0
        self._refused, self._said = {}, set()
        self._round_began_s = now_s
        self._on_round(rounds)
        if (why := enough(rounds, self._opened.job.evaluation)) is not None:
            self._todo += self._course.stop("finished", why)

    def _samples_of(self, name: str) -> int:
        board = self._course.boards.get(name)
        return board.samples if board is not None else 1

    def _model(self, version: int) -> GlobalModel:
        if version not in self._loaded:
            self._loaded[version] = self._memory.model(version)
        return self._loaded[version]

    def _guidance(self, version: int) -> Guidance:
        training = self._opened.job.training
        return self._opened.strategy.guidance(
            self._model(version), epochs=training.epochs, rate=training.rate
        )

    def _content(self, version: int) -> tuple[dict[str, Array], dict[str, Array]]:
        return dict(self._model(version).parameters), dict(self._guidance(version).control)

    def _summary(self) -> Summary:
        job = self._opened.job
        return summarise(
            self._course,
            job=job.name,
            fleet=job.fleet,
            rounds=self._rounds,
            refused=self._refused,
            now_s=self._clock_s(),
            epsilon=None if job.privacy is None else job.privacy.epsilon,
        )

    def _change(self, note: Note) -> Change:
        return Change(round(self._clock_s() * 1000), note.who, note.what)
