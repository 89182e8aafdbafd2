"""The sources of sensor rows that `edgekit.toml` can name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgekit.config.table import Seconds, SourceTable, Table
from edgekit.messaging.topic_filter import is_topic_filter

_Name = Annotated[str, msgspec.Meta(min_length=1)]
_Names = Annotated[tuple[_Name, ...], msgspec.Meta(min_length=1)]
_Interval = Annotated[float, msgspec.Meta(ge=0.001, le=86_400)]


class CsvSource(SourceTable, frozen=True, kw_only=True, tag_field="kind", tag="csv"):
    """The rows of a CSV file with a header."""

    path: Path
    columns: tuple[str, ...] | None = None
    time_column: str | None = None
    interval_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    follow: bool = False

    def __post_init__(self) -> None:
        if self.follow and self.interval_s:
            raise ValueError("follow takes rows as they come: leave out interval_s")


class StdinSource(SourceTable, frozen=True, kw_only=True, tag_field="kind", tag="stdin"):
    """The rows that another program writes to the daemon's standard input."""

    columns: _Names | None = None
    time_column: str | None = None
    format: Literal["csv", "json"] | None = None


class ColumnTopic(Table, frozen=True, kw_only=True):
    """Where a column's values come from: a topic, and a field of its JSON payload."""

    topic: str
    field: _Name | None = None

    def __post_init__(self) -> None:
        _require_topic_filter(self.topic)


class MqttRowSource(SourceTable, frozen=True, kw_only=True, tag_field="kind", tag="mqtt"):
    """What sensors publish at the board's broker: a message a row, or several topics merged."""

    topic: str | None = None
    fields: _Names | None = None
    columns: Annotated[dict[str, str | ColumnTopic], msgspec.Meta(min_length=1)] | None = None
    interval_s: _Interval | None = None
    max_age_s: Seconds | None = None
    time_field: _Name | None = None
    retained: bool = False
    qos: Literal[0, 1] = 1
    max_queued: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000

    def __post_init__(self) -> None:
        if (self.topic is None) == (self.columns is None):
            raise ValueError("give topic (a message a row) or columns (a topic each), not both")
        if self.topic is not None:
            _require_topic_filter(self.topic)
            if self.interval_s is not None or self.max_age_s is not None or self.retained:
                raise ValueError("interval_s, max_age_s and retained go with columns only")
        if self.columns is not None and self.fields is not None:
            raise ValueError(
                'fields goes with topic; columns have { topic = "...", field = "..." }'
            )
        if self.interval_s is not None and self.time_field is not None:
            raise ValueError("with interval_s a row has the time of its tick: drop time_field")
        for topic in (self.columns or {}).values():
            if isinstance(topic, str):
                _require_topic_filter(topic)


class IioSource(SourceTable, frozen=True, kw_only=True, tag_field="kind", tag="iio"):
    """The sensors that Linux shows under `/sys`: industrial I/O, and hwmon."""

    device: _Name
    interval_s: _Interval
    channels: _Names | None = None


class SerialSource(SourceTable, frozen=True, kw_only=True, tag_field="kind", tag="serial"):
    """The sensors of a microcontroller, over the firmware bridge."""

    port: _Name
    baud: Annotated[int, msgspec.Meta(ge=1200, le=12_000_000)] = 115_200
    columns: _Names | None = None
    rate_hz: Annotated[float, msgspec.Meta(ge=0.001, le=100_000)] | None = None
    max_queued: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)] = 10_000


RowSource = CsvSource | StdinSource | MqttRowSource | IioSource | SerialSource


def column_mistakes(source: RowSource, wanted: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the columns that a source names, for a bundle that takes `wanted`."""
    if isinstance(source, MqttRowSource):
        if source.columns is not None:
            for name in sorted(set(wanted) ^ set(source.columns)):
                fault = "is missing" if name in wanted else "is none of the bundle's"
                yield f"columns.{name}: {fault}; it takes {', '.join(wanted)}"
            return
        key, named = "fields", source.fields
    elif isinstance(source, IioSource):
        key, named = "channels", source.channels
    else:
        key, named = "columns", source.columns
    if named is not None and len(named) != len(wanted):
        yield f"{key}: names {len(named)}, the bundle takes {len(wanted)}: {', '.join(wanted)}"


def _require_topic_filter(text: str) -> None:
    if not is_topic_filter(text):
        raise ValueError(f"{text!r} is no topic: + and # stand alone between slashes, # last")
