"""What boards and coordinator say to each other in a secure sum, as CBOR maps (RFC 8949).

Every message names its session, its phase and the one board that it comes from or goes to.
"""

from collections.abc import Iterable
from typing import Annotated, TypeVar

import msgspec

from edgekit.errors import InputError
from edgekit.learning.federated.framing import dumped, loaded_map
from edgekit.learning.federated.secure.primitives import KEY_BYTES, NONCE_BYTES, TAG_BYTES
from edgekit.learning.federated.secure.refusal import MessageRefused
from edgekit.learning.federated.secure.settings import SESSION_BYTES
from edgekit.learning.federated.secure.shamir import SHARE_BYTES

BOX_BYTES = NONCE_BYTES + 2 * SHARE_BYTES + TAG_BYTES
COORDINATOR = "the coordinator"

Name = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
Key = Annotated[bytes, msgspec.Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]
TwoKeys = Annotated[bytes, msgspec.Meta(min_length=2 * KEY_BYTES, max_length=2 * KEY_BYTES)]
Share = Annotated[bytes, msgspec.Meta(min_length=SHARE_BYTES, max_length=SHARE_BYTES)]
Box = Annotated[bytes, msgspec.Meta(min_length=BOX_BYTES, max_length=BOX_BYTES)]
Session = Annotated[bytes, msgspec.Meta(min_length=SESSION_BYTES, max_length=SESSION_BYTES)]
_MANY = msgspec.Meta(max_length=100_000)


class Message(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="say", forbid_unknown_fields=True
):
    """All that is said.

    Attributes:
        session: of which sum.
        board: whom it comes from, or goes to.
    """

    session: Session
    board: Name


class Advertise(Message, frozen=True, kw_only=True, tag="advertise"):
    """From a board: its public keys, for sealed messages and for masks."""

    seal_key: Key
    mask_key: Key


class Neighbours(Message, frozen=True, kw_only=True, tag="neighbours"):
    """To a board: both public keys, one after the other, of those it shares masks with."""

    keys: Annotated[dict[Name, TwoKeys], _MANY]


class Shares(Message, frozen=True, kw_only=True, tag="shares"):
    """From a board: what each neighbour keeps for it.

    Attributes:
        proof: what its seed must give, so that a wrong one is told.
        boxes: two shares, of its mask key and of its seed, sealed for each neighbour.
    """

    proof: Key
    boxes: Annotated[dict[Name, Box], _MANY]


class Boxes(Message, frozen=True, kw_only=True, tag="boxes"):
    """To a board: what its neighbours sealed for it; who is missing here is out."""

    boxes: Annotated[dict[Name, Box], _MANY]


class Masked(Message, frozen=True, kw_only=True, tag="masked"):
    """From a board: its part of the sum under all masks, as little-endian words."""

    words: bytes


class Reveal(Message, frozen=True, kw_only=True, tag="reveal"):
    """To a board: which neighbours' masked vectors came, and whose did not."""

    alive: Annotated[tuple[Name, ...], _MANY]
    dropped: Annotated[tuple[Name, ...], _MANY]


class Revealed(Message, frozen=True, kw_only=True, tag="revealed"):
    """From a board: shares of the seeds of those alive, of the mask keys of those who dropped out.

    Attributes:
        seeds: by owner, itself among them.
        keys: by owner.
        unreadable: whose box could not be opened.
    """

    seeds: Annotated[dict[Name, Share], _MANY]
    keys: Annotated[dict[Name, Share], _MANY]
    unreadable: Annotated[tuple[Name, ...], _MANY] = ()


def holders_of(board: str, neighbours: Iterable[str]) -> list[str]:
    """Who holds the shares of a board's secrets, itself among them: the first has the point 1."""
    return sorted({board, *neighbours})


Kind = TypeVar("Kind", bound=Message)


def encode(message: Message) -> bytes:
    """A message as CBOR."""
    return dumped(msgspec.to_builtins(message, builtin_types=(bytes,)))


def decode(data: bytes, kind: type[Kind], *, session: bytes, board: str, sender: str) -> Kind:
    """The message in some bytes, which is of this kind and session, from or to this board.

    Args:
        data: as it came.
        kind: what is waited for.
        session: of the sum.
        board: who sent it by its topic, or who reads it.
        sender: whom to name where it is wrong.

    Raises:
        MessageRefused: it is anything else.
    """
    try:
        found = loaded_map(data)
        wanted = kind.__struct_config__.tag
        if (said := found.get("say")) != wanted:
            raise MessageRefused(sender, f"it says {str(said)[:40]!r} where {wanted!r} is due")
        message = msgspec.convert(found, kind, builtin_types=(bytes,))
        same = encode(message) == data
    except MessageRefused:
        raise
    except (InputError, msgspec.ValidationError, RecursionError) as error:
        raise MessageRefused(sender, str(error)) from error
    if not same:
        raise MessageRefused(sender, "its bytes are not those that we write for what it says")
    if message.session != session:
        raise MessageRefused(sender, "it is of another session: an old one is sent again")
    if message.board != board:
        raise MessageRefused(sender, f"it names {message.board}, not {board}")
    return message
