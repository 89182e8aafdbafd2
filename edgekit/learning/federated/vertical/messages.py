"""What a label holder and the parties of a split network say to each other, as CBOR maps."""

import hashlib
from typing import Annotated

import msgspec

from edgekit.learning.federated.messages import decode_any

_Run = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_NAME_BYTES = 8
_Codec = Annotated[str, msgspec.Meta(max_length=100)]


class _Said(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", omit_defaults=True):
    """All that is said of one training.

    Attributes:
        run: names it.
    """

    run: _Run


class Begin(_Said, frozen=True, kw_only=True, tag="begin"):
    """To a party: begin, or go on from the end of an epoch; it answers with `Keys`.

    Attributes:
        epoch: how many are behind; what was kept at the end of it is loaded.
        codec: how embeddings and gradients travel, such as `float16`.
    """

    epoch: _Count = 0
    codec: _Codec = "float32"


class _Answer(_Said, frozen=True, kw_only=True):
    """From a party.

    Attributes:
        to: `name_of` the message that it answers.
    """

    to: Annotated[bytes, msgspec.Meta(max_length=_NAME_BYTES)] = b""


class Keys(_Answer, frozen=True, kw_only=True, tag="keys"):
    """From a party: which samples it has.

    Attributes:
        width: how many numbers it says of a sample.
        rows: how many samples a batch has.
        keys: 16 bytes a sample; all zero where it has no key.
    """

    width: _Count
    rows: _Count
    keys: bytes


class Rows(_Said, frozen=True, kw_only=True, tag="rows"):
    """To a party: which of its samples are common to all, in their common order.

    Attributes:
        rows: int32, little-endian.
    """

    rows: bytes


class Turn(_Said, frozen=True, kw_only=True, tag="turn"):
    """To a party: learn from the batch before, and say what you see in the next.

    Attributes:
        number: counts turns; one that comes again is answered as it was, and not learned from.
        slope: the gradient by what it said in the turn before; `None` where there is none.
        rate: the learning rate.
        places: which of the common samples the next batch has, int32, little-endian; `None` for
            no next batch.
        keep: write parameters to disk, as those at the end of so many epochs.
    """

    number: _Count
    slope: bytes | None = None
    rate: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 0.0
    places: bytes | None = None
    keep: _Count | None = None


class Seen(_Answer, frozen=True, kw_only=True, tag="seen"):
    """From a party: it has done its turn.

    Attributes:
        number: of the turn.
        data: what it says of the batch; `None` where none was asked for.
    """

    number: _Count
    data: bytes | None = None


class Sorry(_Answer, frozen=True, kw_only=True, tag="sorry"):
    """From a party: it cannot.

    Attributes:
        why: one line.
        is_new: it knows nothing of the training, since it has restarted: begin it again.
    """

    why: Annotated[str, msgspec.Meta(max_length=500)]
    is_new: bool = False


ToParty = Begin | Rows | Turn
ToHolder = Keys | Seen | Sorry


def name_of(message: bytes) -> bytes:
    """What an answer calls a message: the first 8 bytes of its SHA-256."""
    return hashlib.sha256(message).digest()[:_NAME_BYTES]


def decode_to_party(message: bytes) -> ToParty:
    """What a label holder said.

    Raises:
        InputError: it is no such message.
    """
    said: ToParty = decode_any(message, ToParty)
    return said


def decode_to_holder(message: bytes) -> ToHolder:
    """What a party said.

    Raises:
        InputError: it is no such message.
    """
    said: ToHolder = decode_any(message, ToHolder)
    return said
