"""The sources that `edgekit.toml` can name."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgekit.config.picture_sources import ImagesSource, VideoSource
from edgekit.config.table import Table

Policy = Literal["newest", "every"]


class CsvSource(Table, frozen=True, kw_only=True, tag_field="kind", tag="csv"):
    """The rows of a CSV file with a header."""

    path: Path
    columns: tuple[str, ...] | None = None
    time_column: str | None = None
    interval_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0


Source = VideoSource | ImagesSource | CsvSource
