"""`metrics`: counts and latencies of a board and its pipelines."""

from typing import Annotated, Literal

import msgspec

from edgekit.messaging.payloads.schema import (
    Count,
    Message,
    Milliseconds,
    Part,
    Share,
    Text,
    decode,
)

PipelineState = Literal["starting", "running", "backing-off", "ended", "failed", "stuck"]
BridgeState = Literal["closed", "waiting", "silent", "open"]
ClockState = Literal["synchronised", "unsynchronised", "behind"]
_NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class Percentiles(Part, frozen=True, kw_only=True):
    """Milliseconds that half, 95 and 99 of a hundred stayed within."""

    p50: Milliseconds
    p95: Milliseconds
    p99: Milliseconds


class PipelineMetrics(Part, frozen=True, kw_only=True):
    """One pipeline since the daemon started."""

    taken: Count
    skipped: Count
    refused: Count
    predictions: Count
    queue: Count
    """How many samples wait now."""
    state: PipelineState | None = None
    restarts: Count = 0
    lost: Count = 0
    """Events that a sink could not take."""
    ms: Percentiles | None = None
    """From capture until the prediction was ready; absent until there was one."""
    age: Percentiles | None = None
    """From capture until work on the sample began; absent until there was one."""


class MqttMetrics(Part, frozen=True, kw_only=True):
    """The link to the broker since the daemon started."""

    sent: Count
    acknowledged: Count
    dropped: Count


class OutboxMetrics(Part, frozen=True, kw_only=True):
    """What is kept on disk for the broker: now, then since the daemon started."""

    waiting: Count
    bytes: Count
    stored: Count = 0
    dropped: Count = 0
    """For want of room."""
    expired: Count = 0
    backfilled: Count = 0
    """Sent later than they were made."""


class BoardMetrics(Part, frozen=True, kw_only=True):
    """The board itself, now; what it cannot tell is absent."""

    temperature_c: float | None = None
    """Of the processor."""
    throttled: tuple[Text, ...] = ()
    """What holds it back, a word each: `under-voltage`, `throttled`, ..."""
    rate_factor: Share | None = None
    """What share of their frame rates the pipelines may use: 1 where nothing holds them back."""
    disk_free_mb: _NotNegative | None = None
    """Where the state directory is."""
    clock: ClockState | None = None
    cpu_percent: _NotNegative | None = None
    """Of one core, by the daemon and its children."""
    memory_mb: _NotNegative | None = None
    """Held by the daemon and its children."""


class FederatedMetrics(Part, frozen=True, kw_only=True):
    """A federated job of the board, by the coordinator's name."""

    state: Text
    """Where its round stands: `idle`, `downloading`, `waiting`, `training` or `delivering`."""
    rounds: Count
    """How many of its updates counted."""
    samples: Count
    """How many it has to learn from."""
    dropped: Count = 0
    """Samples that found no room on their way to the disk."""
    last: Text | None = None
    """What became of the last round: `counted`, `refused`, `late`, `void`, `declined`, ..."""


class BridgeMetrics(Part, frozen=True, kw_only=True):
    """The link to a microcontroller since the daemon started."""

    state: BridgeState
    frames: Count
    """Good ones received."""
    bytes: Count
    """Received, whatever they were."""
    crc: Count = 0
    """Frames whose checksum was wrong."""
    errors: Count = 0
    """Frames damaged in any way, those included."""
    resyncs: Count = 0
    """How often a good frame came after damaged ones."""
    dropped: Count = 0
    """Good frames of no use."""
    lost: Count = 0
    """Frames that the device's numbers say are missing."""
    repeats: Count = 0
    """Frames that came twice."""
    retries: Count = 0
    """Frames that had to be sent again."""
    sessions: Count = 0
    reopened: Count = 0
    """How often the port was opened after the first time."""
    samples: Count = 0
    samples_dropped: Count = 0
    """Samples that the work was too slow for."""
    device: Text | None = None
    firmware: Text | None = None
    beat_s: _NotNegative | None = None
    """Seconds since its last heartbeat."""
    offset_us: float | None = None
    """What to add to its clock to get UTC."""
    rtt_us: _NotNegative | None = None
    """Of the quickest exchange of the time."""
    drift_ppm: float | None = None
    device_errors: Count | None = None
    """Damaged frames that the device has received."""
    device_dropped: Count | None = None
    """Messages that the device had no room for, or gave up."""


class Metrics(Message, frozen=True, kw_only=True):
    """Counts and latencies of the board."""

    boot: Text
    uptime_s: Annotated[float, msgspec.Meta(ge=0)]
    pipelines: dict[Text, PipelineMetrics]
    mqtt: MqttMetrics
    outbox: OutboxMetrics | None = None
    board: BoardMetrics | None = None
    federated: dict[Text, FederatedMetrics] | None = None
    bridges: dict[Text, BridgeMetrics] | None = None
    """Microcontrollers, by the names of their `[mcu]` tables, else of their pipelines."""


def decode_metrics(payload: bytes) -> Metrics:
    """Reads a `metrics` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return decode(payload, Metrics, "metrics")
