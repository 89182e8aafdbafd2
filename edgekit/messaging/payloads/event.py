"""`event/<rule>`: a rule that fired."""

from typing import Annotated

import msgspec

from edgekit.messaging.payloads.schema import Count, Message, Text, decode


class Fired(Message, frozen=True, kw_only=True):
    """A rule that fired."""

    rule: Text
    fired: Count
    """When: milliseconds since 1970, UTC."""
    seq: Count
    boot: Text
    when: Text
    """The rule's expression."""
    held_s: Annotated[float, msgspec.Meta(ge=0)]
    """For how long it had been true."""
    facts: dict[str, float | bool | str] = msgspec.field(default_factory=dict)
    """What the expression read, by the names in it."""
    hist: bool = False
    """Whether it was stored and sent later than it was made."""


def decode_fired(payload: bytes) -> Fired:
    """Reads an `event/<rule>` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return decode(payload, Fired, "event")
