"""What `Updates` takes and gives: limits, progress, a trial, and what to run at a start."""

from dataclasses import dataclass, field
from typing import Literal

from edgekit.bundle import Bundle
from edgekit.update.pace import Pace
from edgekit.update.release import Release


@dataclass(frozen=True)
class Limits:
    """What updates may take.

    Attributes:
        store_bytes: all bundles together.
        max_restarts: how many starts of the daemon a trial outlives.
        allowed_s: how long one start may try a release.
        pace: what a source has to keep up.
    """

    store_bytes: int = 512_000_000
    max_restarts: int = 2
    allowed_s: float = 900.0
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True)
class Step:
    """How far a fetch is.

    Attributes:
        phase: what is being done.
        release: of what, once that is known.
        done_bytes: how much of the archive is there.
        total_bytes: how long it is.
    """

    phase: Literal["refreshing", "downloading", "unpacking", "testing"]
    release: Release | None = None
    done_bytes: int = 0
    total_bytes: int = 0


@dataclass(frozen=True)
class Candidate:
    """A release on trial.

    Attributes:
        release: which.
        bundle: verified, to be loaded beside the running one.
        allowed_s: how long this start of the daemon may try it.
    """

    release: Release
    bundle: Bundle
    allowed_s: float


@dataclass(frozen=True)
class Boot:
    """What to run from a start on.

    Attributes:
        bundle: passed its self-test just now.
        trial: what goes on being tried beside it.
        notes: what was rolled back or passed over, and why.
    """

    bundle: Bundle
    trial: Candidate | None = None
    notes: tuple[str, ...] = ()
