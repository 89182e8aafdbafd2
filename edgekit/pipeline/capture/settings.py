"""What the capture child can be told to read, a struct a kind of source; nothing is opened here."""

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edgekit.pipeline.capture.region import Region, region_mistake

Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Hertz = Annotated[float, msgspec.Meta(gt=0, le=1000)]
Side = Annotated[int, msgspec.Meta(ge=16, le=16_384)]


class PictureSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for every source of pictures.

    Attributes:
        region: `[x, y, width, height]` of the upright picture that is cut out before resizing:
            pixels where all four are integers, else shares of the picture.
        rotate: by how many degrees the picture is turned clockwise, before anything else.
        flip: whether it is mirrored then: left and right, or top and bottom.
        max_hz: at most so many pictures a second are decoded: live sources skip the others,
            files wait.
        stall_s: after so many seconds without a picture the source counts as broken.
        policy: what becomes of pictures that come faster than the work goes; by default of a live
            source only the newest waits, of files all do.
    """

    region: Region | None = None
    rotate: Literal[0, 90, 180, 270] = 0
    flip: Literal["horizontal", "vertical"] | None = None
    max_hz: Hertz | None = None
    stall_s: Seconds = 10.0
    policy: Literal["newest", "every"] | None = None

    def __post_init__(self) -> None:
        if self.region is not None and (mistake := region_mistake(self.region)):
            raise ValueError(mistake)

    @property
    def where(self) -> str:
        """The source in few words, without secrets: how errors begin."""
        raise NotImplementedError

    @property
    def open_s(self) -> float:
        """How long opening may take before it counts as a stall."""
        return max(self.stall_s, 20.0)

    @property
    def may_be_silent(self) -> bool:
        """Whether a source without pictures is in order while its reader shows that it lives."""
        return False


class VideoSettings(PictureSettings, frozen=True, kw_only=True, tag_field="kind", tag="video"):
    """The pictures of a video file.

    Attributes:
        path: the file.
        realtime: as fast as the file says, not as fast as it goes.
        loop: begins again at the end.
    """

    path: Path
    realtime: bool = False
    loop: bool = False

    @property
    def where(self) -> str:
        """The file."""
        return f"video {self.path}"


class ImagesSettings(PictureSettings, frozen=True, kw_only=True, tag_field="kind", tag="images"):
    """The pictures of a folder, in the order of their names."""

    path: Path

    @property
    def where(self) -> str:
        """The folder."""
        return f"pictures in {self.path}"


class CameraSettings(PictureSettings, frozen=True, kw_only=True, tag_field="kind", tag="camera"):
    """A V4L2 camera. What is `None` is left to the driver.

    Attributes:
        device: a path, best one below /dev/v4l/by-id, which outlives re-plugging; or an index.
        width: pixels asked for.
        height: pixels asked for.
        fps: pictures a second asked for.
        fourcc: the pixel format asked for; `MJPG` is what USB cameras need for large pictures.
        buffers: pictures that the driver may hold.
    """

    device: (
        Annotated[int, msgspec.Meta(ge=0, le=255)]
        | Annotated[str, msgspec.Meta(pattern=r"\A/[^\0]+\Z")]
    ) = 0
    width: Side | None = None
    height: Side | None = None
    fps: Hertz | None = None
    fourcc: Annotated[str, msgspec.Meta(pattern=r"\A[ -~]{4}\Z")] | None = None
    buffers: Annotated[int, msgspec.Meta(ge=1, le=16)] = 2

    def __post_init__(self) -> None:
        PictureSettings.__post_init__(self)
        if (self.width is None) != (self.height is None):
            raise ValueError("give width and height, or neither")

    @property
    def path(self) -> Path:
        """The device's file."""
        return Path(f"/dev/video{self.device}" if isinstance(self.device, int) else self.device)

    @property
    def where(self) -> str:
        """The device."""
        return f"camera {self.path}"


class RtspSettings(PictureSettings, frozen=True, kw_only=True, tag_field="kind", tag="rtsp"):
    """A network camera.

    Attributes:
        url: without user and password.
        credentials_file: a file whose first line is `user:password`; never logged.
        transport: `tcp` loses nothing, `udp` is never held up by a lost packet.
        open_timeout_s: for connecting and the first packets.
        read_timeout_s: for the next picture.
        threads: of the decoder; each beyond the first holds every picture back by one.
    """

    url: Annotated[str, msgspec.Meta(pattern=r"\Artsps?://[^\s]+\Z", max_length=2000)]
    credentials_file: Path | None = None
    transport: Literal["tcp", "udp"] = "tcp"
    open_timeout_s: Seconds = 10.0
    read_timeout_s: Seconds = 5.0
    threads: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1

    def __post_init__(self) -> None:
        PictureSettings.__post_init__(self)
        if "@" in re.split(r"[/?#]", self.url.split("://", 1)[1], maxsplit=1)[0]:
            raise ValueError("url must not hold a password: put it into a credentials_file")

    @property
    def where(self) -> str:
        """The address, without what may be a token behind a question mark."""
        return self.url.partition("?")[0]

    @property
    def open_s(self) -> float:
        """What FFmpeg is given, and a little more."""
        return self.open_timeout_s + 5.0


class Picamera2Settings(
    PictureSettings, frozen=True, kw_only=True, tag_field="kind", tag="picamera2"
):
    """A CSI camera by libcamera's Python binding.

    Attributes:
        camera: its number.
        width: pixels asked for.
        height: pixels asked for.
        fps: pictures a second asked for.
    """

    camera: Annotated[int, msgspec.Meta(ge=0, le=15)] = 0
    width: Side = 640
    height: Side = 480
    fps: Hertz = 30.0

    @property
    def where(self) -> str:
        """The camera's number."""
        return f"CSI camera {self.camera} (picamera2)"


class RpicamSettings(PictureSettings, frozen=True, kw_only=True, tag_field="kind", tag="rpicam"):
    """A CSI camera by the program `rpicam-vid`.

    Attributes:
        program: the program; `libcamera-vid` on older systems.
        camera: its number.
        width: pixels asked for.
        height: pixels asked for.
        fps: pictures a second asked for.
        codec: `mjpeg` is light on the pipe, `yuv420` spares encoding and decoding.
        options: more words for the program, such as `["--exposure", "sport"]`.
    """

    program: Annotated[str, msgspec.Meta(min_length=1)] = "rpicam-vid"
    camera: Annotated[int, msgspec.Meta(ge=0, le=15)] = 0
    width: Side = 640
    height: Side = 480
    fps: Hertz = 30.0
    codec: Literal["mjpeg", "yuv420"] = "mjpeg"
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        PictureSettings.__post_init__(self)
        if self.codec == "yuv420" and (self.width % 64 or self.height % 2):
            raise ValueError("yuv420 needs a width that 64 divides and an even height")

    @property
    def where(self) -> str:
        """The camera's number."""
        return f"CSI camera {self.camera} ({self.program})"


class ShmSettings(PictureSettings, frozen=True, kw_only=True, tag_field="kind", tag="shm"):
    """Pictures that another program writes into a file of shared memory.

    Attributes:
        path: the file, such as /dev/shm/edgekit-door.
        silent: whether its writer may be silent for longer than `stall_s`.
    """

    path: Path
    silent: bool = True

    @property
    def where(self) -> str:
        """The file."""
        return f"shared memory {self.path}"

    @property
    def may_be_silent(self) -> bool:
        """As the settings say."""
        return self.silent


AnySettings = (
    VideoSettings
    | ImagesSettings
    | CameraSettings
    | RtspSettings
    | Picamera2Settings
    | RpicamSettings
    | ShmSettings
)


def kind_of(settings: PictureSettings) -> str:
    """The name that an operator writes."""
    return str(settings.__struct_config__.tag)
