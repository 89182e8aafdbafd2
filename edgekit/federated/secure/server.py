"""The coordinator's half of a secure sum: collects a message of each board a phase, four times.

Bonawitz et al., 2017, figure 4; Bell et al., 2020, for neighbours that are not all.
"""

import hashlib
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.federated.model import RoundFailed
from edgekit.federated.secure.graph import neighbours_of
from edgekit.federated.secure.unmasking import recovered
from edgekit.learning.federated.secure import messages
from edgekit.learning.federated.secure.fixed_point import is_possible, whole_of, words
from edgekit.learning.federated.secure.masks import own_mask, pair_mask, proof_of
from edgekit.learning.federated.secure.primitives import KeyPair
from edgekit.learning.federated.secure.refusal import MessageRefused
from edgekit.learning.federated.secure.settings import PHASES, SecureSettings, check_settings


@dataclass(frozen=True, eq=False)
class SecureSum:
    """What came of a round.

    Attributes:
        vector: float64 `[size]`, the sum of each board's samples times its vector.
        samples: of all those boards.
        boards: whose vectors are in the sum.
        whole: int64 `[size]`, the sum before it was scaled, exact.
        liars: who told a wrong share, or could not read one, and what of it.
    """

    vector: Array
    samples: int
    boards: frozenset[str]
    whole: Array
    liars: Mapping[str, str] = field(default_factory=dict)

    @property
    def mean(self) -> Array:
        """The mean by samples, float64 `[size]`."""
        return self.vector / self.samples


class SecureServer:
    """Leads one secure sum; it never learns more than the sum of those who stayed.

    Call `add` for what comes, `end_phase` when all `waiting` have answered or time is up, send what
    it gives, and so on for the four `PHASES`; then there is a `result`. A board that is silent in a
    phase is out from then on. A coordinator that dies begins a new sum with a new session.

    Args:
        settings: of the sum, as every board has them.
        invited: who may take part; `None` for anybody, as many as the settings say.
        rng: deals out neighbours; one that boards cannot guess.

    Raises:
        InputError: the settings are not safe, or `cryptography` is missing.
    """

    def __init__(
        self,
        settings: SecureSettings,
        *,
        invited: Collection[str] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        check_settings(settings)
        self._any = KeyPair(_ANY_KEY)
        self._settings, self._rng = settings, rng or random.SystemRandom()
        self._invited = None if invited is None else frozenset(invited)
        self._phase = 0
        self._in: frozenset[str] = frozenset()
        self._seen: dict[str, bytes] = {}
        self._refused: dict[str, str] = {}
        self._keys: dict[str, messages.Advertise] = {}
        self._graph: Mapping[str, frozenset[str]] = {}
        self._shares: dict[str, messages.Shares] = {}
        self._total: Array = np.zeros(settings.size + 1, words(settings))
        self._masked: set[str] = set()
        self._revealed: dict[str, messages.Revealed] = {}
        self._result: SecureSum | None = None

    @property
    def phase(self) -> str:
        """What is collected now; empty when all is done."""
        return PHASES[self._phase] if self._phase < len(PHASES) else ""

    @property
    def waiting(self) -> frozenset[str]:
        """Who has not answered in this phase; in the first, of those that are named as invited."""
        due = self._invited or frozenset() if self._phase == 0 else self._in
        return due - self._seen.keys()

    @property
    def refused(self) -> Mapping[str, str]:
        """Whose message was refused last, and why."""
        return dict(self._refused)

    def add(self, phase: str, board: str, message: bytes) -> None:
        """Takes a board's answer; the same one again changes nothing.

        Args:
            phase: as the topic or the envelope says.
            board: who sent it, as the broker says.
            message: as it came.

        Raises:
            MessageRefused: it is wrong, late, early, forged or another than the first. The board
                may still send a good one.
        """
        try:
            self._add(phase, board, message)
        except MessageRefused as refused:
            self._refused[board] = refused.why
            raise

    def end_phase(self) -> dict[str, bytes]:
        """Goes on with those that have answered: what to send to each; nothing after the last.

        Raises:
            RoundFailed: too few are left, or what they told gives no sum.
        """
        if not self.phase:
            raise InputError("secure aggregation: the sum is done")
        answered = frozenset(self._seen)
        if len(answered) < self._settings.least:
            raise RoundFailed(
                f"secure aggregation: {len(answered)} boards are left after the phase "
                f"{self.phase}, the sum needs {self._settings.least}; {self._lost(answered)}"
            )
        ends = (self._neighbours, self._boxes, self._reveals, self._finish)
        answers = ends[self._phase](answered)
        self._phase += 1
        self._in, self._seen = answered, {}
        return {board: messages.encode(answer) for board, answer in sorted(answers.items())}

    def result(self) -> SecureSum:
        """The sum.

        Raises:
            InputError: it is not done.
        """
        if self._result is None:
            raise InputError(f"secure aggregation: the phase {self.phase} is not over")
        return self._result

    def _add(self, phase: str, board: str, message: bytes) -> None:
        if phase != self.phase:
            due = f"{self.phase} is due" if self.phase else "all is done"
            raise MessageRefused(board, f"it is of the phase {phase[:40]!r}, {due}")
        digest = hashlib.sha256(message).digest()
        if (seen := self._seen.get(board)) is not None:
            if seen != digest:
                raise MessageRefused(board, f"it sent another message of the phase {phase} before")
            return
        if self._phase == 0:
            self._check_welcome(board)
        elif board not in self._in:
            raise MessageRefused(board, f"the board takes no part in the phase {phase}")
        takes = (self._take_keys, self._take_shares, self._take_masked, self._take_revealed)
        takes[self._phase](board, message)
        self._seen[board] = digest
        self._refused.pop(board, None)

    def _check_welcome(self, board: str) -> None:
        if self._invited is not None and board not in self._invited:
            raise MessageRefused(board, "the board is not invited")
        if len(self._seen) >= self._settings.boards:
            raise MessageRefused(board, f"{self._settings.boards} boards take part already")

    def _take_keys(self, board: str, message: bytes) -> None:
        keys = self._read(message, messages.Advertise, board)
        for key in (keys.seal_key, keys.mask_key):
            try:
                self._any.agreed(key)
            except InputError as error:
                raise MessageRefused(board, str(error)) from error
        taken = {key for other in self._keys.values() for key in (other.seal_key, other.mask_key)}
        if keys.seal_key == keys.mask_key or taken & {keys.seal_key, keys.mask_key}:
            raise MessageRefused(board, "its public keys are not all its own")
        self._keys[board] = keys

    def _neighbours(self, answered: frozenset[str]) -> Mapping[str, messages.Message]:
        self._graph = neighbours_of(answered, self._settings.degree, self._rng)
        return {
            board: messages.Neighbours(
                session=self._settings.session,
                board=board,
                keys={
                    other: self._keys[other].seal_key + self._keys[other].mask_key
                    for other in sorted(self._graph[board])
                },
            )
            for board in answered
        }

    def _take_shares(self, board: str, message: bytes) -> None:
        shares = self._read(message, messages.Shares, board)
        if shares.boxes.keys() != self._graph[board]:
            raise MessageRefused(board, "its boxes are not for its neighbours")
        self._shares[board] = shares

    def _boxes(self, answered: frozenset[str]) -> Mapping[str, messages.Message]:
        self._check_holders(answered, answered)
        return {
            board: messages.Boxes(
                session=self._settings.session,
                board=board,
                boxes={
                    other: self._shares[other].boxes[board]
                    for other in sorted(self._graph[board] & answered)
                },
            )
            for board in answered
        }

    def _take_masked(self, board: str, message: bytes) -> None:
        masked = self._read(message, messages.Masked, board)
        if len(masked.words) != self._settings.vector_bytes:
            raise MessageRefused(
                board,
                f"a vector of {len(masked.words)} bytes is not one of "
                f"{self._settings.vector_bytes}",
            )
        self._total += np.frombuffer(masked.words, words(self._settings))
        self._masked.add(board)

    def _reveals(self, answered: frozenset[str]) -> Mapping[str, messages.Message]:
        self._check_holders(self._in, answered)
        return {
            board: messages.Reveal(
                session=self._settings.session,
                board=board,
                alive=tuple(sorted(self._graph[board] & answered)),
                dropped=tuple(sorted((self._graph[board] & self._in) - answered)),
            )
            for board in answered
        }

    def _take_revealed(self, board: str, message: bytes) -> None:
        told = self._read(message, messages.Revealed, board)
        near = self._graph[board] & self._shares.keys()
        known = told.seeds.keys() | told.keys.keys()
        if (
            told.seeds.keys() - (near & self._masked) - {board}
            or told.keys.keys() - (near - self._masked)
            or board not in told.seeds
            or known & set(told.unreadable)
            or known | set(told.unreadable) != near | {board}
        ):
            raise MessageRefused(board, "its shares are not of the boards that it was asked about")
        self._revealed[board] = told

    def _finish(self, answered: frozenset[str]) -> Mapping[str, messages.Message]:
        settings, total = self._settings, self._total.copy()
        dropped = self._shares.keys() - self._masked
        self._check_holders(frozenset(self._shares), answered)
        liars: dict[str, str] = {}
        for board in sorted(self._masked):
            total -= own_mask(self._secret(board, "seed", liars), settings)
        for board in sorted(dropped):
            near = self._graph[board] & self._masked
            if not near:
                continue
            keys = KeyPair(self._secret(board, "mask key", liars))
            for other in sorted(near):
                public = self._keys[other].mask_key
                total += pair_mask(board, keys, other, public, settings)
        whole, samples = whole_of(total, settings)
        count = len(self._masked)
        if not is_possible(whole, samples, count, settings):
            raise RoundFailed(
                "secure aggregation: the sum is none of vectors within the settings: a board sent "
                "something else under its masks; nobody can tell which"
            )
        self._result = SecureSum(
            whole * settings.step, samples, frozenset(self._masked), whole, liars
        )
        return {}

    def _secret(self, owner: str, what: str, liars: dict[str, str]) -> bytes:
        """The seed or the mask key of a board, from its neighbours' shares."""
        holders = messages.holders_of(owner, self._graph[owner])
        points = {holder: place + 1 for place, holder in enumerate(holders)}
        shares = {}
        for holder in holders:
            if (told := self._revealed.get(holder)) is None:
                continue
            share = (told.seeds if what == "seed" else told.keys).get(owner)
            if share is not None:
                shares[points[holder]] = share
            elif owner in told.unreadable:
                liars.setdefault(holder, f"could not read what {owner} sealed for it")

        def is_right(secret: bytes) -> bool:
            if what == "seed":
                return proof_of(secret, self._settings) == self._shares[owner].proof
            return KeyPair(secret).public == self._keys[owner].mask_key

        suspects = frozenset(points[name] for name in liars if name in points)
        found = recovered(shares, self._settings.threshold, is_right, suspects=suspects)
        if found is None:
            raise RoundFailed(
                f"secure aggregation: the shares of {owner} do not give its {what}: it dealt wrong "
                "ones, or too many neighbours told wrong ones"
            )
        for point in found[1]:
            liars[holders[point - 1]] = f"told a wrong share of the {what} of {owner}"
        return found[0]

    def _check_holders(self, owners: frozenset[str], left: frozenset[str]) -> None:
        """Fails early where a secret could not be given back."""
        for owner in sorted(owners):
            count = len((self._graph[owner] | {owner}) & left)
            if count < self._settings.threshold:
                raise RoundFailed(
                    f"secure aggregation: {count} boards are left that hold shares of {owner} "
                    f"after the phase {self.phase}, {self._settings.threshold} are needed"
                )

    def _lost(self, answered: frozenset[str]) -> str:
        lost = (self._in or self._invited or frozenset()) - answered
        named = ", ".join(sorted(lost)[:5]) + (", ..." if len(lost) > 5 else "")
        return f"silent: {named or 'nobody'}"

    def _read(self, message: bytes, kind: type[messages.Kind], board: str) -> messages.Kind:
        return messages.decode(
            message, kind, session=self._settings.session, board=board, sender=board
        )


_ANY_KEY = hashlib.sha256(b"edgekit: whether a point is a good one").digest()
