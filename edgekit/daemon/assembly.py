"""Builds the parts of the daemon from its settings."""

import os
import platform
from pathlib import Path

from edgekit import __version__
from edgekit.bundle import Manifest
from edgekit.config.board import MqttTable
from edgekit.config.schema import PipelineSettings, Settings
from edgekit.config.sinks import JsonlSink
from edgekit.config.sinks import Sink as SinkSettings
from edgekit.config.sources import CsvSource, ImagesSource, VideoSource
from edgekit.config.sources import Source as SourceSettings
from edgekit.errors import ConfigError
from edgekit.messaging.link import MqttLink, MqttSettings
from edgekit.messaging.payloads import Status, Versions
from edgekit.messaging.topics import Topics
from edgekit.pipeline.capture.source import CaptureSource
from edgekit.pipeline.parts import Sample, Sink, Source, Stage
from edgekit.pipeline.runner import PipelineRunner, Stages
from edgekit.pipeline.sinks.jsonl import JsonlSink as JsonlWriter
from edgekit.pipeline.sinks.mqtt import MqttSink as MqttPublisher
from edgekit.pipeline.sources.csv import CsvSource as CsvReader
from edgekit.pipeline.stages.window import Window
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.runtime.selftest import check_golden
from edgekit.runtime.session import Session


def make_link(settings: Settings, topics: Topics, *, boot: str) -> MqttLink | None:
    """The link to the broker, or none where the settings name no broker.

    Raises:
        ConfigError: the CA or password file cannot be used.
    """
    if settings.mqtt is None:
        return None
    status = Status(
        state="online",
        boot=boot,
        versions=Versions(
            edgekit=__version__,
            python=platform.python_version(),
            onnxruntime=OnnxRuntimeEngine.version,
        ),
        pipelines=tuple(settings.pipelines),
    )
    return MqttLink(_broker(settings.mqtt), topics, status)


def make_runner(
    name: str,
    pipeline: PipelineSettings,
    *,
    link: MqttLink | None,
    topics: Topics,
    boot: str,
    threads: int,
) -> PipelineRunner:
    """A pipeline whose bundle is loaded and has passed its golden self-test.

    Raises:
        BundleError: the bundle must not be trusted here.
        ConfigError: the source does not give what the bundle takes.
        UnsupportedModel: the engine cannot run the model.
    """
    session = Session.open(
        pipeline.bundle, engine=pipeline.engine, threads=pipeline.threads or threads
    )
    check_golden(session)
    manifest = session.bundle.manifest
    rule = manifest.input.window
    stages: list[Stage[Sample]] = []
    if isinstance(pipeline.source, CsvSource) and rule is not None:
        stages.append(Window(rule))
    return PipelineRunner(
        name,
        source=_source(name, pipeline.source, manifest),
        stages=Stages(samples=stages),
        session=session,
        sinks=[_sink(sink, link, topics) for sink in pipeline.sinks],
        boot=boot,
        policy=pipeline.policy,
    )


def threads_each(pipelines: int) -> int:
    """How many threads each of several pipelines may use so that they share the CPU."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)) // pipelines)
    return max(1, (os.cpu_count() or 1) // pipelines)


def _broker(table: MqttTable) -> MqttSettings:
    return MqttSettings(
        host=table.host,
        port=table.port,
        version=table.version,
        username=table.username,
        password=table.password
        if table.password_file is None
        else _password_in(table.password_file),
        ca=table.ca,
        tls=table.tls,
        client_id=table.client_id,
        keepalive_s=table.keepalive_s,
        max_queued=table.max_queued,
    )


def _password_in(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError("mqtt", [f"password_file: {path}: {reason}"]) from error


def _source(name: str, source: SourceSettings, manifest: Manifest) -> Source:
    where = f"pipelines.{name}.source"
    spec = manifest.input
    match source:
        case CsvSource():
            if spec.window is None:
                raise ConfigError(where, [f"gives rows, but {manifest.name} takes no windows"])
            columns = source.columns or spec.window.columns
            wanted = len(spec.window.columns)
            if len(columns) != wanted:
                mistake = f"names {len(columns)} columns, {manifest.name} takes {wanted}"
                raise ConfigError(where, [mistake])
            return CsvReader(
                source.path,
                columns=columns,
                time_column=source.time_column,
                interval_s=source.interval_s,
            )
        case ImagesSource() | VideoSource():
            if spec.picture is None:
                raise ConfigError(where, [f"gives pictures, but {manifest.name} takes none"])
            if isinstance(source, ImagesSource):
                return CaptureSource("images", source.path, rule=spec.picture)
            return CaptureSource(
                "video",
                source.path,
                rule=spec.picture,
                realtime=source.realtime,
                loop=source.loop,
            )


def _sink(sink: SinkSettings, link: MqttLink | None, topics: Topics) -> Sink:
    if isinstance(sink, JsonlSink):
        return JsonlWriter(sink.path)
    assert link is not None, "the settings' schema refuses an mqtt sink without a broker"
    return MqttPublisher(link, topics, qos=sink.qos)
