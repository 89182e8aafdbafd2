"""Opens the updates that the table `[updates]` describes."""

from collections.abc import Callable
from pathlib import Path
from time import time

import msgspec

from edgekit.config.updates import CanaryTable, UpdateTable
from edgekit.update.answers import Limits
from edgekit.update.canary import CanaryPolicy
from edgekit.update.checks import SelfTest, golden_self_test
from edgekit.update.pace import Pace
from edgekit.update.sources import open_source
from edgekit.update.updates import Updates


def canary_policy(table: CanaryTable) -> CanaryPolicy:
    """The rules, as the judge takes them."""
    return CanaryPolicy(**msgspec.structs.asdict(table))


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
