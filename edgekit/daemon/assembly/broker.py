"""Builds the link to the broker, and what keeps messages for it."""

from pathlib import Path

from edgekit.config.board import MqttTable
from edgekit.config.durability import OutboxTable
from edgekit.errors import ConfigError
from edgekit.messaging.link import MqttSettings
from edgekit.messaging.outbox import Outbox, Priority

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
