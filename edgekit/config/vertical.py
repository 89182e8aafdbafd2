"""The tables of `edgekit.toml` about features that several boards have; see `docs/vertical.md`."""

from pathlib import Path
from typing import Annotated

import msgspec

from edgekit.config.table import Megabytes, Table, TopicLevel


class VerticalTable(Table, frozen=True, kw_only=True):
    """`[vertical.JOB]`: has features of samples that other boards see, too."""

    pipeline: TopicLevel
    bottom: Path
    """The folder that `edgekit federate split` made for this board."""
    secret_file: Path
    """What the boards of the job share, so that nobody else can tell times from keys."""
    period_s: Annotated[float, msgspec.Meta(ge=0.001, le=86_400)]
    """How long samples count as simultaneous."""
    max_mb: Megabytes = 20.0
    max_age_days: Annotated[float, msgspec.Meta(gt=0, le=3650)] = 30.0
