"""The tables of `edgekit.toml` about updates; `docs/updates.md` has the meaning of each setting."""

from pathlib import Path
from typing import Annotated

import msgspec

from edgekit.config.table import Megabytes, Seconds, Share, Table

Ratio = Annotated[float, msgspec.Meta(ge=1)]
Degrees = Annotated[float, msgspec.Meta(ge=0, le=150)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class CanaryTable(Table, frozen=True, kw_only=True):
    """When a release on trial is kept: `docs/updates.md` has the meaning of each."""

    window_s: Seconds = 120.0
    deadline_s: Seconds = 900.0
    min_samples: Count = 30
    max_errors: Share = 0.0
    max_latency_ratio: Ratio = 1.5
    min_latency_ms: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    min_agreement: Share = 0.8
    max_difference: Annotated[float, msgspec.Meta(ge=0)] = 0.25
    max_temperature_c: Degrees = 80.0
    max_rise_c: Degrees = 15.0

    def __post_init__(self) -> None:
        if self.deadline_s < self.window_s:
            raise ValueError("deadline_s must not be shorter than window_s")


class UpdateTable(Table, frozen=True, kw_only=True):
    """Where updates come from, and how they are tried."""

    repository: Annotated[str, msgspec.Meta(min_length=1)]
    root: Path
    """The trusted root metadata that was installed with the board."""
    ca: Path | None = None
    poll_s: Annotated[float, msgspec.Meta(ge=10)] = 3600.0
    """How often to look without a hint."""
    automatic: bool = False
    """Whether the newest release is installed without a hint."""
    store_mb: Megabytes = 512.0
    timeout_s: Seconds = 20.0
    min_bytes_per_s: Annotated[float, msgspec.Meta(ge=0)] = 100.0
    max_restarts: Annotated[int, msgspec.Meta(ge=0, le=20)] = 2
    """How many starts of the daemon a trial outlives."""
    canary: CanaryTable = CanaryTable()
