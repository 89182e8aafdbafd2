"""`twin/desired` and `twin/reported`: settings wished from afar, and what became of them."""

from typing import Annotated, Any, Literal

import msgspec

from edgekit.messaging.payloads.schema import Count, Line, Message, Part, Text, decode

PictureKeep = Literal["none", "events", "anomalies"]


class TwinPipeline(Part, frozen=True, kw_only=True):
    """What may be changed of one pipeline; absent is as the configuration file says."""

    max_hz: Annotated[float, msgspec.Meta(gt=0, le=1000)] | None = None
    """Samples a second at most."""
    threshold: Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)] | None = None
    """Above which a sample is anomalous, or from which a class counts."""


class TwinSettings(Part, frozen=True, kw_only=True):
    """The settings that may be changed from afar; absent is as the configuration file says."""

    pipelines: dict[Text, TwinPipeline] = msgspec.field(default_factory=dict)
    metrics_interval_s: Annotated[float, msgspec.Meta(ge=1, le=86400)] | None = None
    pictures_keep: PictureKeep | None = None


class Desired(Message, frozen=True, kw_only=True):
    """Settings someone wishes; kept loose here, so that one bad key spoils no other."""

    version: Count
    settings: dict[str, Any]


class Reported(Message, frozen=True, kw_only=True):
    """What the board made of it."""

    boot: Text
    version: Count
    """Of the wish that was applied last; 0 before the first."""
    settings: TwinSettings
    """What is in force of it."""
    refused: dict[str, Line] = msgspec.field(default_factory=dict)
    """Why a key is not in force, by its path."""


def decode_desired(payload: bytes) -> Desired:
    """Reads a `twin/desired` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return decode(payload, Desired, "twin/desired")


def decode_reported(payload: bytes) -> Reported:
    """Reads a `twin/reported` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return decode(payload, Reported, "twin/reported")
