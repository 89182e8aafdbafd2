"""What `edgekit.toml` may say. `docs/configuration.md` explains each setting."""

import socket
from pathlib import Path
from typing import Annotated, Literal

import msgspec

TopicLevel = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
"""A name that can be a level of an MQTT topic."""

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Policy = Literal["newest", "every"]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of settings: unknown keys are mistakes."""


def _host_name() -> str:
    name = "".join(c if c.isalnum() and c.isascii() else "-" for c in socket.gethostname())
    return name.strip("-")[:64] or "board"


class DeviceSettings(_Table, frozen=True, kw_only=True):
    """Who this board is."""

    fleet: TopicLevel = "default"
    name: TopicLevel = msgspec.field(default_factory=_host_name)


class MqttTable(_Table, frozen=True, kw_only=True):
    """The broker that events go to. `docs/configuration.md` has the meaning of each."""

    host: Annotated[str, msgspec.Meta(min_length=1)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    version: Literal["5", "3.1.1"] = "5"
    tls: bool = False
    ca: Path | None = None
    username: str | None = None
    password: str | None = None
    password_file: Path | None = None
    client_id: Annotated[str, msgspec.Meta(max_length=65535)] | None = None
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=65535)] = 60
    max_queued: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000

    def __post_init__(self) -> None:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        if self.username is None and (self.password or self.password_file):
            raise ValueError("a password needs a username")


class VideoSource(_Table, frozen=True, kw_only=True, tag_field="kind", tag="video"):
    """The pictures of a video file."""

    path: Path
    realtime: bool = False
    loop: bool = False


class ImagesSource(_Table, frozen=True, kw_only=True, tag_field="kind", tag="images"):
    """The pictures of a folder, in the order of their names."""

    path: Path


class CsvSource(_Table, frozen=True, kw_only=True, tag_field="kind", tag="csv"):
    """The rows of a CSV file with a header."""

    path: Path
    columns: tuple[str, ...] | None = None
    time_column: str | None = None
    interval_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class MqttSink(_Table, frozen=True, kw_only=True, tag_field="kind", tag="mqtt"):
    """Publishes each event at the board's broker."""

    qos: Literal[0, 1] = 1


class JsonlSink(_Table, frozen=True, kw_only=True, tag_field="kind", tag="jsonl"):
    """Appends each event to a file, a JSON document a line."""

    path: Path


Source = VideoSource | ImagesSource | CsvSource
Sink = MqttSink | JsonlSink


class PipelineSettings(_Table, frozen=True, kw_only=True):
    """One road from a source through a bundle to sinks."""

    bundle: Path
    source: Source
    sinks: Annotated[tuple[Sink, ...], msgspec.Meta(min_length=1)]
    policy: Policy = "every"
    engine: Literal["onnxruntime", "litert"] | None = None
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] | None = None


class Settings(_Table, frozen=True, kw_only=True):
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
