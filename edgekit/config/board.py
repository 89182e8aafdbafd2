"""The tables of `edgekit.toml` about the board itself and its broker."""

import socket
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgekit.config.table import Table, TopicLevel


def _host_name() -> str:
    name = "".join(c if c.isalnum() and c.isascii() else "-" for c in socket.gethostname())
    return name.strip("-")[:64] or "board"


class DeviceSettings(Table, frozen=True, kw_only=True):
    """Who this board is."""

    fleet: TopicLevel = "default"
    name: TopicLevel = msgspec.field(default_factory=_host_name)
    labels: dict[TopicLevel, TopicLevel] = msgspec.field(default_factory=dict)


class MqttTable(Table, frozen=True, kw_only=True):
    """The broker that events go to. `docs/configuration.md` has the meaning of each."""

    host: Annotated[str, msgspec.Meta(min_length=1)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    version: Literal["5", "3.1.1"] = "5"
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    username: str | None = None
    password: str | None = None
    password_file: Path | None = None
    client_id: Annotated[str, msgspec.Meta(max_length=65535)] | None = None
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=65535)] = 60
    max_queued: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    max_received_kb: Annotated[int, msgspec.Meta(ge=1, le=65_536)] = 256

    def __post_init__(self) -> None:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        if self.username is None and (self.password or self.password_file):
            raise ValueError("a password needs a username")
        if self.key is not None and self.certificate is None:
            raise ValueError("a key needs a certificate")
