"""Builds the link to the broker, and what keeps messages for it."""

from contextlib import ExitStack
from pathlib import Path

from edgekit.config.board import MqttTable
from edgekit.config.durability import OutboxTable
from edgekit.config.schema import Settings
from edgekit.daemon.standing import status_of
from edgekit.errors import ConfigError
from edgekit.messaging.link import MqttLink, MqttSettings
from edgekit.messaging.outbox import Outbox, Priority
from edgekit.messaging.topics import Topics

_HOUR_S = 3600.0


def mqtt_settings(table: MqttTable) -> MqttSettings:
    """How to reach the broker.

    Raises:
        ConfigError: the password file cannot be read, or settings contradict.
    """
    return MqttSettings(
        host=table.host,
        port=table.port,
        version=table.version,
        username=table.username,
        password=table.password
        if table.password_file is None
        else _password_in(table.password_file),
        ca=table.ca,
        certificate=table.certificate,
        key=table.key,
        tls=table.tls,
        client_id=table.client_id,
        keepalive_s=table.keepalive_s,
        max_queued=table.max_queued,
        max_received_bytes=table.max_received_kb * 1024,
    )


def make_link(
    settings: Settings, state: Path | None, resources: ExitStack, *, topics: Topics, boot: str
) -> tuple[MqttLink | None, Outbox | None]:
    """The link that the settings ask for, not started, and the outbox that keeps its messages.

    Args:
        settings: the daemon's.
        state: the state directory; without one nothing is kept.
        resources: close the outbox.
        topics: where the board speaks.
        boot: the id of this run of the daemon.

    Raises:
        ConfigError: a file that the settings name cannot be used.
    """
    if settings.mqtt is None:
        return None, None
    outbox = None
    if state is not None:
        outbox = resources.enter_context(make_outbox(settings.outbox, state))
    status = status_of(boot, {}, labels=settings.device.labels)
    return MqttLink(mqtt_settings(settings.mqtt), topics, status, outbox=outbox), outbox


def make_outbox(table: OutboxTable, state: Path) -> Outbox:
    """The outbox in the state directory."""
    trusted = table.trust_clock
    return Outbox(
        state / "outbox.db",
        max_bytes=round(table.max_mb * 1e6),
        expiry_s={
            Priority.EVENT: table.event_expiry_h * _HOUR_S,
            Priority.TELEMETRY: table.telemetry_expiry_h * _HOUR_S,
        },
        backfill_hz=table.backfill_hz,
        gather_s=table.gather_s,
        is_clock_trusted=None if trusted is None else lambda: trusted,
    )


def _password_in(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError("mqtt", [f"password_file: {path}: {reason}"]) from error
