"""The rounds of one job, one at a time: from an invitation to a receipt, over restarts."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from edgekit.array import Array
from edgekit.daemon.federated.delivery import Delivery, PlainDelivery, SecureDelivery
from edgekit.daemon.federated.downloading import Download
from edgekit.daemon.federated.persistence import Invited, RoundFiles, RoundId, Told, Trained
from edgekit.daemon.federated.training import Work, train
from edgekit.daemon.federated.voice import Voice
from edgekit.errors import EdgekitError, InputError
from edgekit.learning.federated.framing import chunked
from edgekit.learning.federated.messages import Invite, Model, Receipt, Secure, Want, decode
from edgekit.learning.federated.privacy import Randomness
from edgekit.learning.federated.trainer import LocalTrainer

_log = logging.getLogger(__name__)
_STALLED_S = 5.0
_FORGET_S = 7 * 86_400.0
_BAD = ("refused", "forgotten")
_FINAL = ("counted", "refused", "late", "void", "superseded")
"""How a round ends that is not begun again, whoever invites to it."""


@dataclass
class Underway:
    """The round that is under way.

    Attributes:
        invited: by whom, and when.
        delivery: says what is to be said.
        download: the model on its way, until it is there.
        model: the model, until it is trained from.
        trained: what is kept until the receipt.
    """

    invited: Invited
    delivery: Delivery
    download: Download | None = None
    model: Model | None = None
    trained: Trained | None = None

    @property
    def id(self) -> RoundId:
        """Which round it is."""
        return self.invited.id

    @property
    def invite(self) -> Invite:
        """What it asks for."""
        return self.invited.invite


class Rounds:
    """Goes through rounds; what it has to remember is on the disk before anybody relies on it.

    For one thread.

    Attributes:
        current: the round that is under way.
        told: counts that last.
        state: where the round stands, in a word.
    """

    def __init__(
        self,
        job: str,
        work: Work,
        folder: Path,
        *,
        step: str,
        files: RoundFiles,
        voice: Voice,
        now_s: Callable[[], float],
        clock_s: Callable[[], float],
        noise: Randomness,
        on_counted: Callable[[], object] = lambda: None,
    ) -> None:
        """Nothing is read or said yet; `resume` does.

        Args:
            job: its name.
            work: who trains what.
            folder: the folder `train` of a bundle.
            step: its `step_digest`.
            files: where rounds are remembered.
            voice: speaks to the coordinator.
            now_s: seconds since 1970.
            clock_s: seconds that never jump.
            noise: what privacy's noise is made of.
            on_counted: is called when an update counts.
        """
        self.current: Underway | None = None
        self.told = Told()
        self.state = "idle"
        self._job, self._work, self._folder, self._step = job, work, folder, step
        self._files, self._voice, self._on_counted = files, voice, on_counted
        self._now_s, self._clock_s, self._noise = now_s, clock_s, noise

    def resume(self) -> None:
        """Goes on with the round that a restart interrupted."""
        self.told = self._files.told()
        trained, invited = self._files.trained(), self._files.invited()
        if trained is not None and trained.then.step == self._step:
            if self._files.kept(self._step).after == trained.id:
                self._files.forget()  # it counted, and power went before that was all written
                return
            self._resume_trained(trained)
        elif (
            invited is not None
            and invited.step == self._step
            and not invited.is_over(self._now_s())
        ):
            self._resume_invited(invited)
        else:
            self._files.forget()

    def is_current(self, run: str, number: int) -> bool:
        """Whether that round is under way."""
        return self.current is not None and self.current.id == (run, number)

    def consider(self, invite: Invite, objection: str | None, today: date) -> None:
        """Answers an invitation, and begins the round where the answer is yes.

        Args:
            invite: the invitation.
            objection: what the board's policy says against it.
            today: the board's local date.
        """
        wanted = (invite.run, invite.round)
        if self.told.last == wanted and self.told.state in _FINAL:
            return
        if self._files.kept(self._step).after == wanted:
            return  # it counted, and power went before that was told
        if self.is_current(invite.run, invite.round):
            self.repeat()
            return
        if invite.counted is not None and self.is_current(invite.run, invite.counted):
            self._settle("counted")  # its receipt was lost
        if self.current is not None:
            self.end("superseded", "another round has begun")
        why = objection or self._work.refusal(invite)
        if why is None:
            invited = Invited(invite, self._now_s(), self._step)
            try:
                self.told = self.told.begun(today)
                self._files.save_told(self.told)
                self._files.save_invited(invited)
                delivery = self._delivery(invite)
                begins = delivery.begin()
            except InputError as error:
                self._files.forget()
                why = str(error)
        if why is not None:
            self._voice.answer(invite, why)
            return
        _log.info("federated %s: round %d begins", self._job, invite.round)
        self._voice.answer(invite)
        self._voice.send(begins, invite.chunk_bytes)
        self._download(Underway(invited, delivery))

    def fetched(self, payload: bytes) -> None:
        """Takes a chunk of the model."""
        current = self.current
        if current is None or current.download is None:
            return
        try:
            whole = current.download.add(payload, self._clock_s())
        except InputError as error:
            _log.warning("federated %s: %s", self._job, error)
            return
        if whole is None:
            return
        self._end_download(current)
        try:
            said = decode(whole)
            if not isinstance(said, Model):
                raise InputError("what came for a model is none")
        except InputError as error:
            self.decline(str(error))
            return
        _log.info("federated %s: round %d: the model is there", self._job, current.id[1])
        current.model = said
        self.state = "waiting"

    def heard(self, said: Receipt | Want | Secure) -> None:
        """Takes what the coordinator says of the round that is under way; passes over others'."""
        current = self.current
        if current is None or not self.is_current(said.run, said.round):
            return
        match said:
            case Receipt():
                self._settle(said.state, said.why)
            case Want():
                self._send_again(current, said)
            case Secure():
                try:
                    answers = current.delivery.heard(said)
                except InputError as error:
                    self.decline(str(error))
                    return
                self._voice.send(answers, current.invite.chunk_bytes)

    def repeat(self) -> None:
        """Says again what the coordinator may have missed."""
        if self.current is None:
            return
        if self.current.trained is None:
            self._voice.answer(self.current.invite)
        self._voice.send(self.current.delivery.again(), self.current.invite.chunk_bytes)

    def check(self) -> None:
        """Ends what has taken too long, and asks again for what does not come."""
        current = self.current
        if current is None:
            return
        if current.trained is not None:
            if self._now_s() - current.trained.trained_s > _FORGET_S:
                self.end("forgotten", "no receipt came")
        elif self.is_over:
            self.end("expired", "there was too little time")
        elif current.download and current.download.has_stalled(self._clock_s(), _STALLED_S):
            self._voice.ask_for(current.download.name)

    @property
    def is_over(self) -> bool:
        """Whether the answers to the current invitation come too late."""
        return self.current is not None and self.current.invited.is_over(self._now_s())

    def train(self, samples: tuple[Array, ...], should_stop: Callable[[], str | None]) -> None:
        """Trains what is there to be trained, and sends the update.

        Args:
            samples: an array for each part of a sample.
            should_stop: is asked before each step; says why, empty where nobody is to be told.
        """
        current = self.current
        assert current is not None
        assert current.model is not None
        self.state = "training"
        why: list[str] = []

        def stops() -> bool:
            if (word := should_stop()) is not None:
                why.append(word)
            return word is not None

        try:
            outcome = train(
                LocalTrainer(self._folder, threads=1),
                self._work,
                current.invite,
                current.model,
                samples,
                self._files.kept(self._step),
                rng=self._noise,
                should_stop=stops,
            )
            if self.current is not current:
                return  # a receipt has ended it
            if outcome is None:
                if why and why[-1]:
                    self.decline(why[-1])
                return
            trained = Trained(
                current.invite, outcome.message(current.invite), outcome.then, self._now_s()
            )
            self._files.save_trained(trained)
        except (EdgekitError, MemoryError) as error:
            self.decline((str(error) or "no memory").splitlines()[0])
            return
        except Exception:
            _log.exception("federated %s: a bug while training", self._job)
            self.decline("a bug; the board's log has more")
            return
        current.trained, current.model = trained, None
        self.state = "delivering"
        _log.info(
            "federated %s: round %d: trained on %d samples, sending %d bytes",
            self._job,
            current.invite.round,
            outcome.update.samples,
            len(trained.message),
        )
        self._voice.send(current.delivery.trained(trained.message), current.invite.chunk_bytes)

    def decline(self, why: str) -> None:
        """Takes the answer yes back."""
        if self.current is not None:
            self._voice.answer(self.current.invite, why)
            self.end("declined", why)

    def end(self, state: str, why: str = "") -> None:
        """The round is over; what it would have changed is forgotten, unless it counted."""
        current = self.current
        if current is None:
            return
        self._end_download(current)
        self._voice.drop()
        self._files.forget()
        self.current, self.state = None, "idle"
        self.told = replace(self.told, state=state, last=current.id)
        self._files.save_told(self.told)
        level = logging.WARNING if state in _BAD else logging.INFO
        more = f": {why}" if why else ""
        _log.log(level, "federated %s: round %d is %s%s", self._job, current.id[1], state, more)

    def _settle(self, state: str, why: str = "") -> None:
        """Ends the round as the coordinator says."""
        assert self.current is not None
        if state != "counted":
            self.end(state, why)
            return
        if self.current.trained is None:
            return  # it is of no update of ours
        self._files.count(self.current.trained)
        self.told = replace(self.told, rounds=self.told.rounds + 1)
        self.end(state, why)
        self._on_counted()

    def leave(self) -> None:
        """Hears of no model any more; the round is gone on with at the next start."""
        if self.current is not None and self.current.download is not None:
            self._voice.do_without(self.current.download.name)

    def _resume_trained(self, trained: Trained) -> None:
        invited = Invited(trained.invite, trained.trained_s, self._step)
        try:
            delivery = self._delivery(trained.invite)
            delivery.trained(trained.message)
        except InputError as error:
            _log.warning("federated %s: %s", self._job, error)
            self._files.forget()
            return
        _log.info("federated %s: round %d waits for its receipt", self._job, trained.id[1])
        self.current = Underway(invited, delivery, trained=trained)
        self.state = "delivering"

    def _resume_invited(self, invited: Invited) -> None:
        try:
            delivery = self._delivery(invited.invite)
            begins = delivery.begin() if not delivery.again() else []
        except InputError as error:
            _log.warning("federated %s: %s", self._job, error)
            self._files.forget()
            return
        _log.info("federated %s: going on with round %d", self._job, invited.id[1])
        self._voice.send(begins, invited.invite.chunk_bytes)
        self._download(Underway(invited, delivery))

    def _delivery(self, invite: Invite) -> Delivery:
        """How an update is sent; goes on where the disk knows more.

        Raises:
            InputError: the board cannot send it so.
        """
        if invite.secure is None:
            return PlainDelivery()
        round_id = invite.run, invite.round
        return SecureDelivery(
            self._work.device,
            invite,
            self._work.shared(invite),
            save=lambda state: self._files.save_secure(round_id, state),
            state=self._files.secure(round_id),
        )

    def _download(self, current: Underway) -> None:
        invite = current.invite
        self.current, self.state = current, "downloading"
        current.download = Download(invite.model, invite.model_bytes, self._clock_s())
        self._voice.ask_for(invite.model)

    def _end_download(self, current: Underway) -> None:
        if current.download is not None:
            self._voice.do_without(current.download.name)
            current.download = None

    def _send_again(self, current: Underway, want: Want) -> None:
        for message in current.delivery.again():
            if hashlib.sha256(message).digest()[: len(want.of)] == want.of:
                chunks = chunked(message, current.invite.chunk_bytes)
                numbers = want.numbers or range(len(chunks))
                self._voice.send_chunks([chunks[n] for n in numbers if n < len(chunks)])
