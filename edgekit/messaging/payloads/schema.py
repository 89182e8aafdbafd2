"""What every message is made of, and how one is read."""

from typing import Annotated, TypeVar

import msgspec

from edgekit.errors import InputError

VERSION = 1
"""The `v` of every message."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Line = Annotated[str, msgspec.Meta(max_length=1000)]

AnyMessage = TypeVar("AnyMessage", bound="Message")


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a message."""


class Message(Part, frozen=True, kw_only=True, tag_field="v", tag=VERSION):
    """All that goes to or comes from one topic at once; carries `"v"`."""


class ModelName(Part, frozen=True, kw_only=True):
    """Which model spoke; `hash` is the short hash of its bundle."""

    name: Text
    version: Text
    hash: Text


class _VersionOnly(msgspec.Struct):
    v: int


def decode(payload: bytes, schema: type[AnyMessage], what: str) -> AnyMessage:
    """Reads a payload of a known schema.

    Args:
        payload: as it came.
        schema: what it has to be.
        what: the topic's first levels, for the error.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    try:
        version = msgspec.json.decode(payload, type=_VersionOnly).v
        if version != VERSION:
            raise InputError(
                f"{what} message: version {version} is not the one this edgekit reads ({VERSION})"
            )
        return msgspec.json.decode(payload, type=schema)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{what} message: {error}") from error
