"""The tables of `edgekit.toml` about what is kept on the disk: the outbox and the decision log."""

from typing import Annotated

import msgspec

from edgekit.config.table import Table

Hours = Annotated[float, msgspec.Meta(gt=0, le=24 * 366)]


class OutboxTable(Table, frozen=True, kw_only=True):
    """Messages that wait for the broker. `docs/durability.md` has the meaning of each."""

    max_mb: Annotated[float, msgspec.Meta(ge=1, le=4096)] = 64.0
    event_expiry_h: Hours = 7 * 24.0
    telemetry_expiry_h: Hours = 24.0
    backfill_hz: Annotated[float, msgspec.Meta(ge=0.1, le=10_000)] = 50.0
    gather_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.0
    trust_clock: bool | None = None
    """Left out: where the clock was set from the network, or a clock chip keeps it."""


class DecisionsTable(Table, frozen=True, kw_only=True):
    """What was decided by which model version. `docs/durability.md` has the meaning of each."""

    max_mb: Annotated[float, msgspec.Meta(ge=1, le=4096)] = 16.0
