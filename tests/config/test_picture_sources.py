"""The tables of sources of pictures: what they refuse, and what the capture child is told."""

from pathlib import Path
from typing import Any

import pytest

from edgekit.config import picture_sources
from edgekit.config.checking import check
from edgekit.config.picture_sources import (
    CameraSource,
    ImagesSource,
    PictureSource,
    RtspSource,
    VideoSource,
    picture_source_mistakes,
)
from edgekit.config.table import Table
from edgekit.errors import ConfigError
from edgekit.pipeline.capture.settings import kind_of


class Document(Table, frozen=True, kw_only=True):
    source: PictureSource


def read(folder: Path, **source: Any) -> PictureSource:
    return check({"source": source}, Document, source="edgekit.toml", folder=folder).source


def test_every_kind_is_read_and_its_paths_are_of_the_files_folder(tmp_path: Path) -> None:
    tables: list[dict[str, Any]] = [
        {"kind": "video", "path": "v.mp4", "realtime": True},
        {"kind": "images", "path": "p"},
        {"kind": "camera", "device": "/dev/v4l/by-id/usb-cam", "width": 640, "height": 480},
        {"kind": "camera", "device": 2, "fourcc": "MJPG", "rotate": 90, "flip": "vertical"},
        {"kind": "rtsp", "url": "rtsp://cam/1", "credentials_file": "cam.secret"},
        {"kind": "picamera2", "region": [0.25, 0, 0.5, 1.0], "max_hz": 5},
        {"kind": "rpicam", "codec": "yuv420", "options": ["--exposure", "sport"]},
        {"kind": "shm", "path": "/dev/shm/x", "region": [0, 0, 10, 10], "stall_s": 3},
    ]
    sources = [read(tmp_path, **table) for table in tables]
    assert [kind_of(source) for source in sources] == [table["kind"] for table in tables]
    assert isinstance(sources[0], VideoSource)
    assert sources[0].path == tmp_path / "v.mp4"
    assert isinstance(sources[3], CameraSource)
    assert sources[3].path == Path("/dev/video2")
    assert isinstance(sources[4], RtspSource)
    assert sources[4].credentials_file == tmp_path / "cam.secret"


@pytest.mark.parametrize(
    ("table", "mistake"),
    [
        ({"kind": "camera", "device": "video0"}, "device"),
        ({"kind": "camera", "width": 640}, "width and height"),
        ({"kind": "camera", "fourcc": "MJPEG"}, "fourcc"),
        ({"kind": "camera", "rotate": 45}, "rotate"),
        ({"kind": "camera", "flip": "both"}, "flip"),
        ({"kind": "camera", "region": [0, 0, 0, 5]}, "region must be"),
        ({"kind": "camera", "region": [0.5, 0.0, 0.6, 1.0]}, "at most 1.0"),
        ({"kind": "camera", "region": [0, 0, 5]}, "region"),
        ({"kind": "camera", "max_hz": 0}, "max_hz"),
        ({"kind": "camera", "stall_s": -1.0}, "stall_s"),
        ({"kind": "camera", "framerate": 5}, "framerate"),
        ({"kind": "rtsp", "url": "http://cam/1"}, "url"),
        ({"kind": "rpicam", "codec": "yuv420", "width": 650}, "64 divides"),
        ({"kind": "usb"}, "unknown"),
    ],
)
def test_mistakes_are_told_with_their_key(
    tmp_path: Path, table: dict[str, Any], mistake: str
) -> None:
    with pytest.raises(ConfigError, match=mistake):
        read(tmp_path, **table)


def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="credentials_file") as raised:
        read(tmp_path, kind="rtsp", url="rtsp://joe:secret@cam/1")
    assert "secret@" not in str(raised.value)


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    file = tmp_path / "cam.secret"
    source = RtspSource(url="rtsp://cam/1", credentials_file=file)
    assert list(picture_source_mistakes(source)) == [f"credentials_file: no such file: {file}"]
    file.write_text("joe:pw\n")
    file.chmod(0o644)
    (mistake,) = picture_source_mistakes(source)
    assert "chmod 600" in mistake
    file.chmod(0o600)
    assert list(picture_source_mistakes(source)) == []
    for missing in (VideoSource(path=file / "v"), ImagesSource(path=file)):
        (mistake,) = picture_source_mistakes(missing)
        assert mistake.startswith("path: no such")
    assert list(picture_source_mistakes(CameraSource(device=99))) == []


def test_the_guide_tells_every_setting() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "picture_sources.md").read_text()
    for name in ("Video", "Images", "Camera", "Rtsp", "Picamera2", "Rpicam", "Shm"):
        table = getattr(picture_sources, f"{name}Source")
        for field in table.__struct_fields__:
            assert f"`{field}`" in guide, f"{name}Source.{field}"
