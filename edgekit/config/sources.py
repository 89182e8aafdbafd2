"""The sources that `edgekit.toml` can name."""

from typing import Literal

from edgekit.config.picture_sources import ImagesSource, VideoSource
from edgekit.config.row_sources import CsvSource, RowSource

__all__ = ["CsvSource", "ImagesSource", "Policy", "RowSource", "Source", "VideoSource"]

Policy = Literal["newest", "every"]


Source = VideoSource | ImagesSource | RowSource
