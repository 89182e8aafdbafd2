"""A board's half of a secure sum: four messages come, four answers go.

Bonawitz et al., 2017, "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS;
Bell et al., 2020, "Secure Single-Server Aggregation with (Poly)Logarithmic Overhead", CCS, for
neighbours that are not all.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.federated.secure import messages
from edgekit.learning.federated.secure.fixed_point import as_words, quantised
from edgekit.learning.federated.secure.masks import own_mask, pair_mask, proof_of
from edgekit.learning.federated.secure.messages import COORDINATOR, Kind
from edgekit.learning.federated.secure.primitives import (
    KEY_BYTES,
    NONCE_BYTES,
    KeyPair,
    derived,
    opened,
    sealed,
)
from edgekit.learning.federated.secure.refusal import MessageRefused
from edgekit.learning.federated.secure.settings import (
    PHASES,
    SecureSettings,
    check_settings,
    salt_of,
)
from edgekit.learning.federated.secure.shamir import SHARE_BYTES, split
from edgekit.learning.federated.secure.state import BoardState, decode_state, encode_state


class SecureBoard:
    """Answers the coordinator in one secure sum, once a phase.

    The state is saved before an answer is given out, so a board that is killed and resumed has
    either sent nothing or knows what it sent. The same message gets the same answer again; another
    one in its place is refused: no mask ever covers two vectors, and no board's mask key and seed
    are ever both told.

    Args:
        me: the board's name.
        settings: of the sum, from `decode_settings`.
        save: keeps the state until it is replaced; it returns when the bytes are on the disk.
        random_bytes: gives so many bytes that nobody can guess.

    Raises:
        InputError: the settings are not safe, or `cryptography` is missing.
    """

    def __init__(
        self,
        me: str,
        settings: SecureSettings,
        *,
        save: Callable[[bytes], object] = lambda state: None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        check_settings(settings)
        self._save, self._random = save, random_bytes
        seal_key, mask_key, seed = (random_bytes(KEY_BYTES) for _ in range(3))
        self._begin(
            BoardState(me=me, settings=settings, seal_key=seal_key, mask_key=mask_key, seed=seed)
        )

    @classmethod
    def resumed(
        cls,
        state: bytes,
        *,
        save: Callable[[bytes], object] = lambda state: None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> "SecureBoard":
        """The board whose state that is. Send `answer` again: it may have been lost.

        Raises:
            InputError: it is none; leave the round.
        """
        found = decode_state(state)
        board = cls(found.me, found.settings, save=save, random_bytes=random_bytes)
        board._begin(found)
        return board

    def _begin(self, state: BoardState) -> None:
        self._state = state
        self._seal, self._mask = KeyPair(state.seal_key), KeyPair(state.mask_key)
        self._agreed: dict[str, bytes] = {}

    @property
    def state(self) -> bytes:
        """What `resumed` takes: secret."""
        return encode_state(self._state)

    @property
    def settings(self) -> SecureSettings:
        """Of the sum."""
        return self._state.settings

    @property
    def phase(self) -> str:
        """The last phase that was answered; empty before the first."""
        return self._state.phase

    @property
    def answer(self) -> bytes:
        """The last answer; empty before the first."""
        return self._state.answer

    def advertise(self) -> bytes:
        """The first answer: fresh public keys."""
        state = self._state
        if again := self._given("advertise", b""):
            return again
        return self._give(
            "advertise",
            b"",
            state,
            messages.Advertise(
                session=state.settings.session,
                board=state.me,
                seal_key=self._seal.public,
                mask_key=self._mask.public,
            ),
        )

    def share(self, message: bytes) -> bytes:
        """The second answer: shares of this board's secrets, sealed for each neighbour.

        Args:
            message: the neighbours' keys.

        Raises:
            MessageRefused: it is no such message, comes at the wrong time, or is not safe.
        """
        if again := self._given("share", message):
            return again
        state, settings = self._state, self._state.settings
        neighbours = self._read(message, messages.Neighbours).keys
        self._check_neighbours(neighbours)
        holders = messages.holders_of(state.me, neighbours)
        key_shares, seed_shares = (
            split(secret, settings.threshold, len(holders), self._random)
            for secret in (state.mask_key, state.seed)
        )
        boxes = {}
        for holder, of_key, of_seed in zip(holders, key_shares, seed_shares, strict=True):
            if holder == state.me:
                own = of_seed
                continue
            key, about = self._seal_key(state.me, holder, neighbours[holder])
            boxes[holder] = sealed(key, of_key + of_seed, about, self._random(NONCE_BYTES))
        return self._give(
            "share",
            message,
            msgspec.structs.replace(state, neighbours=neighbours, own=own),
            messages.Shares(
                session=settings.session,
                board=state.me,
                proof=proof_of(state.seed, settings),
                boxes=boxes,
            ),
        )

    def mask(self, message: bytes, vector: Array, samples: int = 1) -> bytes:
        """The third answer: the vector under all masks.

        Args:
            message: the boxes of those that are still in.
            vector: float `[size]`, what this board adds to the sum, for each of its samples.
            samples: how often it counts.

        Returns:
            The answer; that of the first call, whatever the vector is, where the message comes
            again.

        Raises:
            MessageRefused: it is no such message, comes at the wrong time, or is not safe.
            InputError: the vector or the samples are not as the settings say.
        """
        if again := self._given("mask", message):
            return again
        state, settings = self._state, self._state.settings
        boxes = self._read(message, messages.Boxes).boxes
        if strangers := boxes.keys() - state.neighbours.keys():
            raise self._refused(f"{min(strangers)} is no neighbour")
        self._check_enough(len(boxes) + 1)
        total = as_words(quantised(vector, samples, settings), settings)
        total += own_mask(state.seed, settings)
        for name in sorted(boxes):
            public = state.neighbours[name][KEY_BYTES:]
            with _blaming(name):
                total += pair_mask(state.me, self._mask, name, public, settings)
        return self._give(
            "mask",
            message,
            msgspec.structs.replace(
                state, held={name: self._opened(name, box) for name, box in boxes.items()}
            ),
            messages.Masked(session=settings.session, board=state.me, words=total.tobytes()),
        )

    def unmask(self, message: bytes) -> bytes:
        """The last answer: a share of one secret of each neighbour, and of this board's seed.

        Args:
            message: whose vectors came.

        Raises:
            MessageRefused: it is no such message, comes at the wrong time, or is not safe.
        """
        if again := self._given("unmask", message):
            return again
        state, held = self._state, self._state.held
        asked = self._read(message, messages.Reveal)
        alive, dropped = set(asked.alive), set(asked.dropped)
        if len(alive) + len(dropped) != len(asked.alive) + len(asked.dropped) or alive & dropped:
            raise self._refused("it names a board twice: of no board are both secrets told")
        if alive | dropped != held.keys():
            raise self._refused("it does not name the boards whose shares are here")
        self._check_enough(len(alive) + 1)
        seeds = {name: held[name][SHARE_BYTES:] for name in sorted(alive) if held[name]}
        keys = {name: held[name][:SHARE_BYTES] for name in sorted(dropped) if held[name]}
        return self._give(
            "unmask",
            message,
            state.without_secrets(),
            messages.Revealed(
                session=state.settings.session,
                board=state.me,
                seeds=seeds | {state.me: state.own},
                keys=keys,
                unreadable=tuple(sorted(name for name in held if not held[name])),
            ),
        )

    def _given(self, phase: str, message: bytes) -> bytes | None:
        """The answer that this message got before; refuses what is not due."""
        last, asked = self._state.phase, hashlib.sha256(message).digest()
        if last == phase:
            if asked != self._state.asked:
                raise self._refused(f"another message of the phase {phase} was answered before")
            return self._state.answer
        due = PHASES[PHASES.index(last) + 1 :] if last else PHASES
        if due[:1] != (phase,):
            raise self._refused(f"the phase {phase} is not due; {due[0] if due else 'nothing'} is")
        return None

    def _give(self, phase: str, asked: bytes, state: BoardState, answer: messages.Message) -> bytes:
        data = messages.encode(answer)
        after = msgspec.structs.replace(
            state, phase=phase, asked=hashlib.sha256(asked).digest(), answer=data
        )
        self._save(encode_state(after))
        self._state = after
        return data

    def _read(self, message: bytes, kind: type[Kind]) -> Kind:
        state = self._state
        return messages.decode(
            message,
            kind,
            session=state.settings.session,
            board=state.me,
            sender=COORDINATOR,
        )

    def _check_neighbours(self, neighbours: dict[str, bytes]) -> None:
        state = self._state
        if state.me in neighbours:
            raise self._refused("a board is no neighbour of itself")
        if len(neighbours) > state.settings.degree:
            raise self._refused(
                f"{len(neighbours)} neighbours are more than {state.settings.degree}"
            )
        self._check_enough(len(neighbours) + 1)
        keys = [self._seal.public, self._mask.public]
        for both in neighbours.values():
            keys += [both[:KEY_BYTES], both[KEY_BYTES:]]
        if len(set(keys)) < len(keys):
            raise self._refused("two public keys are the same")

    def _check_enough(self, count: int) -> None:
        if count < (least := self._state.settings.threshold):
            raise self._refused(f"{count} boards are fewer than {least}")

    def _seal_key(self, sender: str, reader: str, keys: bytes) -> tuple[bytes, bytes]:
        """The key for boxes from one to the other, and what the tag covers beside the shares."""
        other = reader if sender == self._state.me else sender
        if (secret := self._agreed.get(other)) is None:
            with _blaming(other):
                secret = self._agreed[other] = self._seal.agreed(keys[:KEY_BYTES])
        salt, names = salt_of(self._state.settings), (sender.encode(), reader.encode())
        return derived(secret, "box", salt, *names), b"\0".join((salt, *names))

    def _opened(self, name: str, box: bytes) -> bytes:
        """Both shares; nothing where the neighbour, or who carried it, made a box that fails."""
        state = self._state
        try:
            key, about = self._seal_key(name, state.me, state.neighbours[name])
            return opened(key, box, about)
        except InputError:
            return b""

    def _refused(self, why: str) -> MessageRefused:
        return MessageRefused(COORDINATOR, why)


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise MessageRefused(name, str(error)) from error
