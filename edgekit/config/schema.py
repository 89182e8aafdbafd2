"""What `edgekit.toml` may say. `docs/configuration.md` explains each setting."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgekit.config.board import DeviceSettings, MqttTable
from edgekit.config.durability import DecisionsTable, OutboxTable
from edgekit.config.engines import EngineSettings
from edgekit.config.federated import FederatedTable
from edgekit.config.mcu import McuTable
from edgekit.config.rules import FactName, FactTable, FusionTable, RuleTable
from edgekit.config.sinks import MqttSink, Sink
from edgekit.config.sources import MqttRowSource, Source, StdinSource
from edgekit.config.stages import Stage
from edgekit.config.surroundings import (
    CommandsTable,
    HomeAssistantTable,
    PicturesTable,
    PrometheusTable,
    SparkplugTable,
    TwinTable,
)
from edgekit.config.table import Seconds, Table, TopicLevel
from edgekit.config.thermal import ThermalSettings
from edgekit.config.updates import UpdateTable
from edgekit.config.vertical import VerticalTable

_Sinks = Annotated[tuple[Sink, ...], msgspec.Meta(min_length=1)]


class PipelineSettings(EngineSettings, frozen=True, kw_only=True):
    """One road from a source through a bundle to sinks."""

    bundle: Path
    source: Source
    sinks: _Sinks
    stages: tuple[Stage, ...] = ()


class Settings(Table, frozen=True, kw_only=True):
    """All of `edgekit.toml`."""

    pipelines: dict[TopicLevel, PipelineSettings] = msgspec.field(default_factory=dict)
    version: Literal[2] = 2
    device: DeviceSettings = msgspec.field(default_factory=DeviceSettings)
    state: Path | None = None
    mqtt: MqttTable | None = None
    outbox: OutboxTable = OutboxTable()
    decisions: DecisionsTable = DecisionsTable()
    thermal: ThermalSettings = ThermalSettings()
    pictures: PicturesTable = PicturesTable()
    commands: CommandsTable = CommandsTable()
    twin: TwinTable = TwinTable()
    home_assistant: HomeAssistantTable | None = None
    sparkplug: SparkplugTable | None = None
    prometheus: PrometheusTable | None = None
    updates: UpdateTable | None = None
    federated: dict[TopicLevel, FederatedTable] = msgspec.field(default_factory=dict)
    vertical: dict[TopicLevel, VerticalTable] = msgspec.field(default_factory=dict)
    mcu: dict[TopicLevel, McuTable] = msgspec.field(default_factory=dict)
    fusion: dict[TopicLevel, FusionTable] = msgspec.field(default_factory=dict)
    facts: dict[FactName, FactTable] = msgspec.field(default_factory=dict)
    rules: dict[TopicLevel, RuleTable] = msgspec.field(default_factory=dict)
    metrics_interval_s: Seconds = 60.0
    stuck_s: Seconds = 30.0

    def __post_init__(self) -> None:
        if not self.pipelines and not self.mcu:
            raise ValueError("there is nothing to run: name a pipeline, as [pipelines.<name>]")
        for name in self.mcu:
            if name in self.pipelines or name in self.fusion:
                raise ValueError(f"mcu.{name}: a pipeline or a fusion has that name")
        for mistake in self._without_broker() if self.mqtt is None else ():
            raise ValueError(f"{mistake}, but there is no [mqtt]")
        readers = [
            name for name, table in self.pipelines.items() if isinstance(table.source, StdinSource)
        ]
        for job, learning in self.federated.items():
            if learning.pipeline not in self.pipelines:
                raise ValueError(f"federated.{job} learns from no pipeline {learning.pipeline!r}")
            for rule in learning.samples.rules:
                if rule not in self.rules:
                    raise ValueError(f"federated.{job}.samples.rules: there is no rule {rule!r}")
        for job, told in self.vertical.items():
            if told.pipeline not in self.pipelines:
                raise ValueError(f"vertical.{job} learns from no pipeline {told.pipeline!r}")
            if job in self.federated:
                raise ValueError(f"vertical.{job}: a job of rounds has that name")
        if len(readers) > 1:
            raise ValueError(f"pipelines {', '.join(readers)} would take each other's stdin rows")

    def _without_broker(self) -> Iterator[str]:
        """What needs a broker."""
        told = [
            *((f"pipelines.{name}", table.sinks) for name, table in self.pipelines.items()),
            *((f"mcu.{name}", table.sinks) for name, table in self.mcu.items()),
            *((f"fusion.{name}", table.sinks) for name, table in self.fusion.items()),
            *((f"rules.{name}", table.sinks) for name, table in self.rules.items()),
        ]
        for where, sinks in told:
            if any(isinstance(sink, MqttSink) for sink in sinks):
                yield f"{where} has an mqtt sink"
        for name, pipeline in self.pipelines.items():
            if isinstance(pipeline.source, MqttRowSource):
                yield f"pipelines.{name} has an mqtt source"
        for name in ("commands", "twin"):
            if getattr(self, name).allow:
                yield f"[{name}] allows something"
        if self.home_assistant is not None:
            yield "there is [home_assistant]"
        if self.sparkplug is not None:
            yield "there is [sparkplug]"
        if self.federated:
            yield "there is [federated]"
        if self.vertical:
            yield "there is [vertical]"
