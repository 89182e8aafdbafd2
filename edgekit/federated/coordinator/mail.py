"""What boards send, put together from its chunks and told apart: pure but for what is begun."""

import hashlib
from dataclasses import dataclass

from edgekit.errors import InputError
from edgekit.learning.federated.framing import loaded_map, round_of_update
from edgekit.learning.federated.inbox import Inbox
from edgekit.learning.federated.messages import Answer, Secure, Want, decode

_DIGEST_BYTES = 16
_MOST_ROUNDS = 2**31 - 1


@dataclass(frozen=True)
class Delivery:
    """An update that came whole, and was not looked into.

    Attributes:
        run: which running of the job it says it is for.
        number: which round.
        message: as it came.
        digest: names the message.
    """

    run: str
    number: int
    message: bytes
    digest: bytes


Letter = Answer | Want | Secure | Delivery


class Mail:
    """Puts together what each board says, within bounded memory a board.

    Args:
        limit_bytes: what one message may hold.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._inboxes: dict[str, Inbox] = {}
        self._heard_s: dict[str, float] = {}

    def add(self, board: str, payload: bytes, now_s: float) -> Letter | None:
        """Takes a chunk; the letter that it makes whole, if it does.

        Raises:
            InputError: it is no chunk, too large or damaged, or the letter is none.
        """
        inbox = self._inboxes.setdefault(board, Inbox(self._limit, most=2))
        self._heard_s[board] = now_s
        message = inbox.add(payload)
        if not inbox.unfinished:
            del self._inboxes[board]
        return None if message is None else read_letter(message)

    def forget(self, board: str) -> None:
        """Drops what a board has begun to say."""
        self._inboxes.pop(board, None)

    def stuck(self, now_s: float, quiet_s: float) -> list[tuple[str, bytes, tuple[int, ...]]]:
        """Whose messages do not go on: board, the message's name, and which chunks are missing.

        Each is given once in `quiet_s` seconds.
        """
        found = []
        for board, inbox in self._inboxes.items():
            if now_s >= self._heard_s[board] + quiet_s:
                self._heard_s[board] = now_s
                found += [(board, of, missing) for of, missing in inbox.unfinished.items()]
        return found

    @property
    def waits(self) -> bool:
        """Whether anything is unfinished."""
        return bool(self._inboxes)


def read_letter(message: bytes) -> Letter:
    """What a whole message is.

    Raises:
        InputError: it is nothing that a board says.
    """
    if "say" in loaded_map(message):
        said = decode(message)
        if isinstance(said, Answer | Want | Secure):
            return said
        raise InputError(f"a board does not say {type(said).__name__.lower()}")
    place = round_of_update(message)
    if place is None:
        raise InputError("an update does not say which run and round it is for")
    if place[1] > _MOST_ROUNDS:
        raise InputError("an update is of a round that cannot be")
    digest = hashlib.sha256(message).digest()[:_DIGEST_BYTES]
    return Delivery(*place, message, digest)
