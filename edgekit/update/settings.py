"""The table `[updates]` of `edgekit.toml`, and the updates that it describes."""

from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Annotated

import msgspec

from edgekit.config.table import Megabytes, Seconds, Share, Table
from edgekit.update.answers import Limits
from edgekit.update.canary import CanaryPolicy
from edgekit.update.checks import SelfTest, golden_self_test
from edgekit.update.pace import Pace
from edgekit.update.sources import open_source
from edgekit.update.updates import Updates

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

    def policy(self) -> CanaryPolicy:
        """The rules, as the judge takes them."""
        return CanaryPolicy(**msgspec.structs.asdict(self))


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


def open_updates(
    settings: UpdateTable,
    state: Path,
    *,
    self_test: SelfTest = golden_self_test,
    clock_s: Callable[[], float] = time,
) -> Updates:
    """The updates of a board.

    Args:
        settings: the table `[updates]`.
        state: the board's state directory; all lies in `updates` below it.
        self_test: loads a bundle and reproduces its golden vectors.
        clock_s: seconds since 1970 UTC; by default the system's.

    Raises:
        InputError: the repository's address is not one.
        ConfigError: the root or the CA file cannot be read.
    """
    limits = Limits(
        store_bytes=int(settings.store_mb * 1e6),
        max_restarts=settings.max_restarts,
        allowed_s=settings.canary.deadline_s,
        pace=Pace(min_bytes_per_s=settings.min_bytes_per_s),
    )
    source = open_source(settings.repository, ca=settings.ca, timeout_s=settings.timeout_s)
    return Updates.open(
        state / "updates",
        root=settings.root,
        source=source,
        self_test=self_test,
        limits=limits,
        clock_s=clock_s,
    )
