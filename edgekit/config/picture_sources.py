"""The sources of pictures that `edgekit.toml` can name; `docs/picture_sources.md` explains them."""

import stat
from collections.abc import Iterator

from edgekit.config.table import Table
from edgekit.pipeline.capture import settings


class VideoSource(
    settings.VideoSettings, Table, frozen=True, kw_only=True, tag_field="kind", tag="video"
):
    """The pictures of a video file."""


class ImagesSource(
    settings.ImagesSettings, Table, frozen=True, kw_only=True, tag_field="kind", tag="images"
):
    """The pictures of a folder, in the order of their names."""


class CameraSource(
    settings.CameraSettings, Table, frozen=True, kw_only=True, tag_field="kind", tag="camera"
):
    """A V4L2 camera."""


class RtspSource(
    settings.RtspSettings, Table, frozen=True, kw_only=True, tag_field="kind", tag="rtsp"
):
    """A network camera."""


class Picamera2Source(
    settings.Picamera2Settings, Table, frozen=True, kw_only=True, tag_field="kind", tag="picamera2"
):
    """A CSI camera by libcamera's Python binding."""


class RpicamSource(
    settings.RpicamSettings, Table, frozen=True, kw_only=True, tag_field="kind", tag="rpicam"
):
    """A CSI camera by the program `rpicam-vid`."""


class ShmSource(
    settings.ShmSettings, Table, frozen=True, kw_only=True, tag_field="kind", tag="shm"
):
    """Pictures that another program writes into shared memory."""


PictureSource = (
    VideoSource
    | ImagesSource
    | CameraSource
    | RtspSource
    | Picamera2Source
    | RpicamSource
    | ShmSource
)


def picture_source_mistakes(source: PictureSource) -> Iterator[str]:
    """What is missing or cannot serve: `key: what`. A camera that is not there now may come."""
    match source:
        case VideoSource() if not source.path.is_file():
            yield f"path: no such file: {source.path}"
        case ImagesSource() if not source.path.is_dir():
            yield f"path: no such folder: {source.path}"
        case RtspSource() if (file := source.credentials_file) is not None:
            if not file.is_file():
                yield f"credentials_file: no such file: {file}"
            elif file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
                yield f"credentials_file: everyone may read {file}; say chmod 600 {file}"
        case _:
            return
