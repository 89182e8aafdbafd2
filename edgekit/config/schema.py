"""What `edgekit.toml` may say. `docs/configuration.md` explains each setting."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgekit.config.board import DeviceSettings, MqttTable
from edgekit.config.sinks import MqttSink, Sink
from edgekit.config.sources import Policy, Source
from edgekit.config.table import Seconds, Table, TopicLevel


class PipelineSettings(Table, frozen=True, kw_only=True):
    """One road from a source through a bundle to sinks."""

    bundle: Path
    source: Source
    sinks: Annotated[tuple[Sink, ...], msgspec.Meta(min_length=1)]
    policy: Policy = "every"
    engine: Literal["onnxruntime", "litert"] | None = None
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None


class Settings(Table, frozen=True, kw_only=True):
    """All of `edgekit.toml`."""

    pipelines: Annotated[dict[TopicLevel, PipelineSettings], msgspec.Meta(min_length=1)]
    device: DeviceSettings = msgspec.field(default_factory=DeviceSettings)
    mqtt: MqttTable | None = None
    metrics_interval_s: Seconds = 60.0

    def __post_init__(self) -> None:
        if self.mqtt is None:
            for name, pipeline in self.pipelines.items():
                if any(isinstance(sink, MqttSink) for sink in pipeline.sinks):
                    raise ValueError(f"pipelines.{name} has an mqtt sink, but there is no [mqtt]")
