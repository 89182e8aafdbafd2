"""What every table of `edgekit.toml` is made of."""

from typing import Annotated, Literal

import msgspec

TopicLevel = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
"""A name that can be a level of an MQTT topic."""

Seconds = Annotated[float, msgspec.Meta(gt=0, le=31_536_000)]
"""Up to a year."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Megabytes = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of settings: unknown keys are mistakes."""


Policy = Literal["newest", "every"]


class SourceTable(Table, frozen=True, kw_only=True):
    """A source; its policy says what becomes of samples that come faster than the work goes."""

    policy: Policy | None = None
