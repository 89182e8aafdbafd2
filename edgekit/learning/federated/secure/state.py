"""What a board must not forget in the middle of a secure sum, as bytes."""

import msgspec

from edgekit.errors import InputError
from edgekit.learning.federated.framing import dumped, loaded_map
from edgekit.learning.federated.secure.messages import Key, Name, Share, TwoKeys
from edgekit.learning.federated.secure.settings import (
    PHASES,
    SecureSettings,
    check_settings,
)
from edgekit.learning.federated.secure.shamir import SHARE_BYTES

SCHEMA = 1


class BoardState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a board is. It holds secrets until the last answer, then none.

    Attributes:
        me: whose it is.
        settings: of the sum.
        phase: the last that was answered; empty before the first.
        asked: SHA-256 of the message that was answered.
        answer: to send again where it may have been lost.
        seal_key: private, for sealed messages.
        mask_key: private, for masks.
        seed: of the board's own mask.
        neighbours: both public keys by name.
        own: the board's share of its own seed.
        held: both shares of each neighbour that is still in; empty where its box does not open.
    """

    me: Name
    settings: SecureSettings
    phase: str = ""
    asked: bytes = b""
    answer: bytes = b""
    seal_key: Key
    mask_key: Key
    seed: Key
    neighbours: dict[Name, TwoKeys] = {}
    own: Share = bytes(SHARE_BYTES)
    held: dict[Name, bytes] = {}

    def without_secrets(self) -> "BoardState":
        """The state, with nothing in it that opens a mask."""
        nothing = bytes(32)
        return msgspec.structs.replace(
            self,
            seal_key=nothing,
            mask_key=nothing,
            seed=nothing,
            own=bytes(SHARE_BYTES),
            held={},
        )


def encode_state(state: BoardState) -> bytes:
    """The state as CBOR. Whoever reads it can open the board's masks: keep it to root alone."""
    return dumped({"schema": SCHEMA, **msgspec.to_builtins(state, builtin_types=(bytes,))})


def decode_state(data: bytes) -> BoardState:
    """The state in some bytes.

    Raises:
        InputError: these are none; leave the round.
    """
    found = loaded_map(data)
    if (schema := found.pop("schema", None)) != SCHEMA:
        raise InputError(f"a secure sum's state of the schema {schema!r} is none of {SCHEMA}")
    try:
        state = msgspec.convert(found, BoardState, builtin_types=(bytes,))
    except (msgspec.ValidationError, RecursionError) as error:
        raise InputError(f"a secure sum's state cannot be used: {error}") from error
    if state.phase not in ("", *PHASES):
        raise InputError(f"a secure sum's state knows no phase {state.phase[:40]!r}")
    check_settings(state.settings)
    return state
