"""The sources that `edgekit.toml` can name."""

from edgekit.config.picture_sources import (
    CameraSource,
    ImagesSource,
    Picamera2Source,
    PictureSource,
    RpicamSource,
    RtspSource,
    ShmSource,
    VideoSource,
)
from edgekit.config.row_sources import (
    CsvSource,
    IioSource,
    MqttRowSource,
    RowSource,
    SerialSource,
    StdinSource,
)
from edgekit.config.table import Policy

__all__ = [
    "CameraSource",
    "CsvSource",
    "IioSource",
    "ImagesSource",
    "MqttRowSource",
    "PictureSource",
    "RowSource",
    "RtspSource",
    "SerialSource",
    "ShmSource",
    "Source",
    "StdinSource",
    "VideoSource",
    "comes_back",
    "policy_of",
]

Source = PictureSource | RowSource
_LIVE_PICTURES = (CameraSource, RtspSource, Picamera2Source, RpicamSource, ShmSource)


def policy_of(source: Source) -> Policy:
    """What becomes of samples that wait: of live pictures the newest is worth most."""
    if source.policy is not None:
        return source.policy
    return "newest" if isinstance(source, _LIVE_PICTURES) else "every"


def comes_back(source: Source) -> bool:
    """Whether a source that broke may work later: a device or a stream may, a bad file not."""
    if isinstance(source, CsvSource):
        return source.follow
    if isinstance(source, VideoSource):
        return source.loop
    return isinstance(source, (*_LIVE_PICTURES, MqttRowSource, IioSource, SerialSource))
