"""Makes rows of MQTT messages: a message a row, or a row of what several topics said."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.row_fields import BadRow, row_of_document

_NS = 1_000_000_000


@dataclass(frozen=True)
class Arrival:
    """A message, and when it came.

    Attributes:
        topic_filter: the subscription that it came by.
        topic: where it was published.
        payload: its bytes.
        at_ns: by `time.monotonic_ns`.
        at_ms: in milliseconds since 1970 UTC.
    """

    topic_filter: str
    topic: str
    payload: bytes
    at_ns: int
    at_ms: int


class MessageRows(Protocol):
    """A rule for how messages become rows; pure."""

    @property
    def topic_filters(self) -> Sequence[str]:
        """What to subscribe to."""

    @property
    def interval_ns(self) -> int | None:
        """How often to call `tick`; not at all where it is `None`."""

    def push(self, arrival: Arrival, /) -> Sample | Refusal | None:
        """Takes a message; gives the row that it completes, or why it cannot be used."""

    def tick(self, now_ns: int, now_ms: int, /) -> Sample | Refusal | None:
        """The row of this moment, after all messages up to it."""

    def reset(self) -> None:
        """Messages are missing."""


class WholeRows:
    """Every message is a row.

    The payload is a JSON document that holds `fields`, or for a single column without a field
    just the number.
    """

    interval_ns = None

    def __init__(
        self, topic_filter: str, fields: Sequence[str | None], *, time_field: str | None = None
    ) -> None:
        """Makes the rule.

        Args:
            topic_filter: with `+` and `#` as MQTT has them.
            fields: paths of keys joined by dots, in the order of the columns; `(None,)` where the
                payload is the number.
            time_field: the path of the row's time; else it is when the message came.
        """
        self.topic_filters = (topic_filter,)
        self._fields = fields
        self._time_field = time_field
        self._count = 0

    def push(self, arrival: Arrival, /) -> Sample | Refusal | None:
        """The row float64 `[columns]` of a message."""
        self._count += 1
        row = row_of_document(
            shown_topic(arrival.topic),
            self._count,
            document_of(arrival.payload),
            fields=self._fields,
            time_field=self._time_field,
        )
        if isinstance(row, BadRow):
            return Refusal(row.reason)
        taken_at_ms = arrival.at_ms if row.taken_at_ms is None else row.taken_at_ms
        return Sample(row.values, arrival.at_ns, taken_at_ms, f"{arrival.topic}:{self._count}")

    def tick(self, now_ns: int, now_ms: int, /) -> Sample | Refusal | None:
        """Nothing: rows come of messages."""

    def reset(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class ColumnTopic:
    """Where a column's values come from.

    Attributes:
        topic_filter: the topic, or a filter where several sensors share the column.
        field: the path in the JSON payload; `None` where the payload is the number.
    """

    topic_filter: str
    field: str | None = None


@dataclass(frozen=True)
class _Reading:
    value: float
    at_ns: int
    at_ms: int


class MergedRows:
    """A row is what several topics said last.

    With an interval there is a row at each tick, a value being used again until it is
    `max_age_s` old. Without, there is one as soon as every column has a new value; where one
    comes twice before the others, the later stands. Values more than `max_age_s` apart never
    meet in a row: that is a gap, told once.
    """

    def __init__(
        self,
        columns: Mapping[str, ColumnTopic],
        *,
        interval_s: float | None = None,
        max_age_s: float = 60.0,
        time_field: str | None = None,
    ) -> None:
        """Makes the rule.

        Args:
            columns: by their names, in the order in which the model takes them.
            interval_s: seconds between rows; else a row once every column is new.
            max_age_s: how old a value may be in a row.
            time_field: the path of a reading's time in its payload; else it is when it came. A
                row has the time of its newest reading, or with an interval that of its tick.
        """
        self._columns = dict(columns)
        self.topic_filters = tuple({column.topic_filter: 0 for column in columns.values()})
        self.interval_ns = None if interval_s is None else max(1, round(interval_s * _NS))
        self._max_age_ns = round(max_age_s * _NS)
        self._max_age_s = max_age_s
        self._time_field = time_field
        self._last: dict[str, _Reading] = {}
        self._fresh: set[str] = set()
        self._was_told = True
        self._count = 0

    def push(self, arrival: Arrival, /) -> Sample | Refusal | None:
        """Takes the values of a message; gives the row that it completes."""
        document = document_of(arrival.payload)
        for name, column in self._columns.items():
            if column.topic_filter != arrival.topic_filter:
                continue
            found = row_of_document(
                shown_topic(arrival.topic),
                self._count,
                document,
                fields=(column.field,),
                time_field=self._time_field,
            )
            if isinstance(found, BadRow):
                self._fresh.discard(name)
                return Refusal(found.reason)
            at_ms = arrival.at_ms if found.taken_at_ms is None else found.taken_at_ms
            self._last[name] = _Reading(float(found.values[0]), arrival.at_ns, at_ms)
            self._fresh.add(name)
        if self.interval_ns is not None or len(self._fresh) < len(self._columns):
            return None
        return self._row(arrival.at_ns, max(reading.at_ms for reading in self._last.values()))

    def tick(self, now_ns: int, now_ms: int, /) -> Sample | Refusal | None:
        """The row of this moment; none before every column has had a value."""
        if len(self._last) < len(self._columns):
            return None
        return self._row(now_ns, now_ms)

    def reset(self) -> None:
        """Values wait no longer for the rest of their row; with an interval they live on."""
        self._fresh.clear()

    def _row(self, at_ns: int, at_ms: int) -> Sample | Refusal | None:
        old = {
            name: at_ns - reading.at_ns
            for name, reading in self._last.items()
            if at_ns - reading.at_ns > self._max_age_ns
        }
        self._fresh -= set(old)
        if old:
            name = max(old, key=lambda name: old[name])
            told, self._was_told = self._was_told, False
            age_s = math.ceil(old[name] / _NS)
            reason = f"column {name!r} is {age_s} s old, where max_age_s is {self._max_age_s:g}"
            return Refusal(f"{self._columns[name].topic_filter}: {reason}") if told else None
        self._fresh.clear()
        self._was_told = True
        self._count += 1
        values = np.array([self._last[name].value for name in self._columns])
        return Sample(values, at_ns, at_ms, f"{', '.join(self.topic_filters)}:{self._count}")


def shown_topic(topic: str) -> str:
    """A topic for a line of the log."""
    return topic[:120] if topic.isprintable() else repr(topic[:120])


def document_of(payload: bytes) -> object:
    """What a payload says: JSON, or else plain text; bytes that are neither are no number."""
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return payload[:80].decode(errors="replace")
