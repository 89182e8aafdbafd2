"""The tables of `edgekit.toml` about what surrounds a board: who asks, who watches, what is kept.

`docs/surroundings.md` explains each setting.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgekit.config.table import Megabytes, Table
from edgekit.messaging.authority import CommandSettings, read_key
from edgekit.messaging.payloads import PictureKeep, Verb

_TopicPrefix = Annotated[str, msgspec.Meta(pattern=r"\A[^$/+#\x00][^+#\x00]*/\Z", max_length=256)]
_DiscoveryPrefix = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*\Z")]
_SparkplugName = Annotated[str, msgspec.Meta(pattern=r"\A[^+/#\x00]{1,64}\Z")]

TwinKey = Literal["max_hz", "threshold", "metrics_interval_s", "pictures_keep"]


class CommandsTable(Table, frozen=True, kw_only=True):
    """`[commands]`: what the board lets itself be told; nothing unless named."""

    allow: tuple[Verb, ...] = ()
    key_file: Path | None = None
    answer_prefix: _TopicPrefix | None = None
    per_minute: Annotated[int, msgspec.Meta(ge=1, le=600)] = 30
    fresh_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 60.0

    def settings(self) -> CommandSettings:
        """For `Commands`; reads the key.

        Raises:
            ConfigError: the key file cannot be read or is too short.
        """
        return CommandSettings(
            allow=frozenset(self.allow),
            key=None if self.key_file is None else read_key(self.key_file),
            answer_prefix=self.answer_prefix,
            per_minute=self.per_minute,
            fresh_s=self.fresh_s,
        )


class TwinTable(Table, frozen=True, kw_only=True):
    """`[twin]`: which settings may be changed from afar; none unless named."""

    allow: tuple[TwinKey, ...] = ()


class HomeAssistantTable(Table, frozen=True, kw_only=True):
    """`[home_assistant]`: whether Home Assistant finds the board by itself."""

    enabled: bool = True
    prefix: _DiscoveryPrefix = "homeassistant"
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    """What people read; the device's name where left out."""
    area: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None


class SparkplugTable(Table, frozen=True, kw_only=True):
    """`[sparkplug]`: speaks Sparkplug B beside edgekit's own messages."""

    group: _SparkplugName
    node: _SparkplugName | None = None
    """The device's name where left out."""


class PrometheusTable(Table, frozen=True, kw_only=True):
    """`[prometheus]`: serves the metrics over HTTP."""

    host: Annotated[str, msgspec.Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 9464


class PicturesTable(Table, frozen=True, kw_only=True):
    """`[pictures]`: which pictures are kept or sent; none unless asked for."""

    keep: PictureKeep = "none"
    folder: Path | None = None
    """`pictures` in the state directory where left out."""
    max_mb: Megabytes = 200.0
    max_age_days: Annotated[float, msgspec.Meta(gt=0)] = 14.0
    full_size: bool = False
    """Pictures as the camera gave them, in place of what the model saw."""
    snapshots: bool = False
    """Whether `cmd/snapshot` may send pictures."""
    collect: bool = False
    """Whether `cmd/collect` may keep them."""
