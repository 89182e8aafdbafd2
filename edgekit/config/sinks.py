"""The sinks that `edgekit.toml` can name."""

from pathlib import Path
from typing import Literal

from edgekit.config.table import Table


class MqttSink(Table, frozen=True, kw_only=True, tag_field="kind", tag="mqtt"):
    """Publishes each event at the board's broker."""

    qos: Literal[0, 1] = 1


class JsonlSink(Table, frozen=True, kw_only=True, tag_field="kind", tag="jsonl"):
    """Appends each event to a file, a JSON document a line."""

    path: Path


Sink = MqttSink | JsonlSink
