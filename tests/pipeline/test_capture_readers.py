"""The readers inside the capture child, with a fake driver, a fake program and real files."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.bundle import PictureRule
from edgekit.errors import InputError, Unavailable
from edgekit.pipeline.capture.mjpeg import MjpegSplitter
from edgekit.pipeline.capture.readers.camera import CameraReader
from edgekit.pipeline.capture.readers.newest import newest_of
from edgekit.pipeline.capture.readers.picamera2 import Picamera2Reader
from edgekit.pipeline.capture.readers.reader import Frame
from edgekit.pipeline.capture.readers.rpicam import command_of
from edgekit.pipeline.capture.settings import (
    CameraSettings,
    Picamera2Settings,
    RpicamSettings,
)
from edgekit.pipeline.capture.source import CaptureSource
from edgekit.pipeline.parts import Refusal, Sample
from tests.pipeline.capture_cameras import HEIGHT, WIDTH, FakeCapture, camera, comes_true

RULE = PictureRule(height=16, width=16, fit="stretch")


class Driver(FakeCapture):
    """A fake driver whose time is what a test says."""

    said_ms: float | None = None

    def get(self, key: int) -> float:
        if key == cv2.CAP_PROP_POS_MSEC and self.said_ms is not None:
            return self.said_ms
        return super().get(key)


def opened_by(reader: CameraReader | Picamera2Reader, count: int) -> tuple[list[str], list[Frame]]:
    """What a reader says of the device, and its first frames, decoded before the next."""
    said: list[str] = []
    frames = []
    given: Any = reader.frames(said.append)
    with closing(given):
        for frame in islice(given, count):
            assert frame is not None
            frame.decode()
            frames.append(frame)
    return said, frames


def test_a_camera_is_asked_for_its_format_before_its_size() -> None:
    made: list[Driver] = []

    def open_driver(device: str, backend: int) -> Driver:
        assert backend == cv2.CAP_V4L2
        made.append(Driver(device))
        return made[0]

    asked = camera("steady", width=640, height=480, fps=15.0, fourcc="MJPG", buffers=1)
    said, _ = opened_by(CameraReader(asked, opener=open_driver), 2)
    keys = [key for key, _ in made[0].asked]
    assert keys == [
        cv2.CAP_PROP_FOURCC,
        cv2.CAP_PROP_FRAME_WIDTH,
        cv2.CAP_PROP_FRAME_HEIGHT,
        cv2.CAP_PROP_FPS,
        cv2.CAP_PROP_BUFFERSIZE,
    ]
    assert said == [f"{WIDTH} x {HEIGHT} at 15 Hz as MJPG, though 640 x 480 was asked for"]
    assert made[0].released


def test_a_drivers_time_that_is_not_ours_is_not_believed() -> None:
    class Realtime(Driver):
        said_ms = 1.7e12

    before_ns = time.monotonic_ns()
    _, frames = opened_by(CameraReader(camera("steady"), opener=Realtime), 3)
    for frame in frames:
        assert before_ns <= frame.taken_at_ns <= time.monotonic_ns()


def test_a_link_to_a_device_is_followed_at_each_opening(tmp_path: Path) -> None:
    devices = []

    def open_driver(device: str, backend: int) -> Driver:
        devices.append(device)
        return Driver(device)

    link = tmp_path / "usb-camera"
    reader = CameraReader(CameraSettings(device=str(link)), opener=open_driver)
    for target in ("video0", "video2"):
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / target)
        opened_by(reader, 1)
    assert devices == [str(tmp_path / "video0"), str(tmp_path / "video2")]


def test_a_device_in_use_is_told_as_such(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch()
    reader = CameraReader(
        CameraSettings(device=str(device)), opener=lambda path, backend: FakeCapture("closed")
    )
    with pytest.raises(InputError, match="does another program use it"):
        opened_by(reader, 1)


class FakePicamera2:
    """Gives one picture after another, with the sensor's time on the clock that counts sleep."""

    SLEPT_NS = 5_000_000_000_000

    def __init__(self, number: int) -> None:
        self.configured: dict[str, Any] = {}
        self.requests = 0
        self.released = 0
        self.is_closed = False

    def create_video_configuration(self, **words: Any) -> dict[str, Any]:
        return words

    def configure(self, configuration: dict[str, Any]) -> None:
        self.configured = configuration

    def start(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True

    def capture_request(self) -> "FakePicamera2":
        if self.requests == 5:
            raise RuntimeError("Camera frontend has timed out!")
        self.requests += 1
        return self

    def get_metadata(self) -> dict[str, int]:
        return {"SensorTimestamp": self.requests * 33_000_000 + self.SLEPT_NS - 20_000_000}

    def make_array(self, name: str) -> Array:
        assert name == "main"
        width, height = self.configured["main"]["size"]
        return np.zeros((height, width, 3), np.uint8)

    def release(self) -> None:
        self.released += 1


def test_picamera2_gives_frames_with_the_sensors_time_until_libcamera_gives_up() -> None:
    made = FakePicamera2(0)

    def clock_ns() -> int:
        return made.requests * 33_000_000

    reader = Picamera2Reader(
        Picamera2Settings(width=320, height=240, fps=30.0),
        opener=lambda number: made,
        clock_ns=clock_ns,
        boot_clock_ns=lambda: clock_ns() + made.SLEPT_NS,
    )
    said, frames = opened_by(reader, 3)
    assert said == ["320 x 240 at 30 Hz"]
    assert [frame.taken_at_ns for frame in frames] == [
        n * 33_000_000 - 20_000_000 for n in (1, 2, 3)
    ]
    assert (made.configured["main"]["format"], frames[0].channels) == ("BGR888", "RGB")
    with pytest.raises(InputError, match="timed out"):
        opened_by(reader, 10)
    assert made.is_closed
    assert made.released == made.requests


def test_picamera2_that_is_not_installed_says_how_to_install_it() -> None:
    if "picamera2" in sys.modules:
        pytest.skip("picamera2 is installed here")
    with pytest.raises(InputError, match="system-site-packages"):
        opened_by(Picamera2Reader(Picamera2Settings()), 1)


def jpegs(count: int) -> list[bytes]:
    rng = np.random.default_rng(2)
    pictures = [
        cv2.imencode(".jpg", rng.integers(0, 256, (24, 32, 3), np.uint8))[1] for _ in range(count)
    ]
    return [bytes(picture) for picture in pictures]


JPEGS = jpegs(4)
GARBAGE = st.binary(max_size=60).filter(
    lambda data: b"\xff\xd8" not in data and data[-1:] != b"\xff"
)


def pushed(splitter: MjpegSplitter, data: bytes, sizes: Iterator[int]) -> list[bytes]:
    pictures, at = [], 0
    while at < len(data):
        size = next(sizes)
        pictures += splitter.push(data[at : at + size])
        at += size
    return pictures


@given(
    st.lists(st.tuples(GARBAGE, st.sampled_from(JPEGS)), max_size=8),
    st.lists(st.integers(1, 5000), min_size=1, max_size=20),
)
@settings(deadline=None, max_examples=60)
def test_pictures_are_found_between_garbage_however_they_are_cut(
    parts: list[tuple[bytes, bytes]], sizes: list[int]
) -> None:
    stream = b"".join(garbage + picture for garbage, picture in parts)
    assert pushed(MjpegSplitter(), stream, cycle(sizes)) == [picture for _, picture in parts]


@given(
    st.lists(st.sampled_from([b"\xff", b"\xd8", b"\xd9", b"\xda", b"\0", b"\1\2"]), max_size=300)
)
@settings(deadline=None)
def test_any_bytes_can_be_split_and_pictures_follow(parts: list[bytes]) -> None:
    splitter = MjpegSplitter(limit_bytes=100_000)
    for part in parts:
        splitter.push(part)
    after = splitter.push(b"".join(JPEGS * 60))
    assert after[-1] == JPEGS[-1]


def test_a_picture_whose_end_was_lost_is_left_out() -> None:
    splitter = MjpegSplitter()
    assert splitter.push(JPEGS[0][:-40] + JPEGS[1]) == [JPEGS[1]]


def test_a_thumbnail_in_a_pictures_head_ends_nothing() -> None:
    thumbnail = JPEGS[1]
    size = (len(thumbnail) + 2).to_bytes(2, "big")
    whole = JPEGS[0][:2] + b"\xff\xe1" + size + thumbnail + JPEGS[0][2:]
    assert MjpegSplitter().push(whole + JPEGS[2]) == [whole, JPEGS[2]]


def test_a_stream_without_pictures_is_not_kept() -> None:
    splitter = MjpegSplitter(limit_bytes=10_000)
    for _ in range(100):
        assert splitter.push(b"\xff\xd8\xff\xda\x00\x03x" + bytes(5000)) == []
    assert len(splitter._held) <= 10_000


def test_only_the_newest_of_what_came_is_handed_over() -> None:
    drained: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(50):
            drained.append(number)
            yield number

    items = newest_of(numbers())
    first = next(items)
    while len(drained) < 50:
        time.sleep(0.001)
    every = [first, *items]
    assert every[-1][0] == 49
    assert sum(missed + 1 for _, _, missed in every) == 50


PROGRAM = """#!{python}
import os, sys, time
data = open({data!r}, "rb").read()
mode = {mode!r}
print("fake camera:", " ".join(sys.argv[1:]), file=sys.stderr)
out = sys.stdout.buffer
if mode == "steady":
    while True:
        for at in range(0, len(data), 1000):
            out.write(data[at : at + 1000])
            out.flush()
        time.sleep(0.02)
elif mode == "dies":
    out.write(data + data[:500])
    out.flush()
    print("*** no cameras available ***", file=sys.stderr)
    sys.exit(255)
elif mode == "hangs":
    out.write(data[:-100])
    out.flush()
    time.sleep(3600)
"""


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, bytes], str]:
    def write(mode: str, data: bytes) -> str:
        (tmp_path / "data").write_bytes(data)
        path = tmp_path / "rpicam-vid"
        text = PROGRAM.format(python=sys.executable, data=str(tmp_path / "data"), mode=mode)
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    return write


def grey(level: int) -> bytes:
    return bytes(cv2.imencode(".jpg", np.full((48, 64, 3), level, np.uint8))[1])


def test_rpicam_gives_whole_pictures_between_garbage(
    program: Callable[[str, bytes], str],
) -> None:
    damaged = grey(200)[:300] + b"\0" * 100 + b"\xff\xd9"
    path = program("steady", b"garbage\xff\xd8" + grey(100) + damaged + grey(100)[:-9])
    settings = RpicamSettings(program=path, width=64, height=48)
    levels = set()
    with CaptureSource(settings, rule=RULE) as source:
        for item in islice(source.items(), 20):
            if isinstance(item, Refusal):  # the damaged one
                continue
            levels.add(round(float(item.data.mean()), -1))
            item.release()
    assert 100 in levels


def test_rpicam_gives_raw_pictures(program: Callable[[str, bytes], str]) -> None:
    yuv = cv2.cvtColor(np.full((48, 64, 3), (0, 0, 200), np.uint8), cv2.COLOR_BGR2YUV_I420)
    settings = RpicamSettings(
        program=program("steady", yuv.tobytes()), width=64, height=48, codec="yuv420"
    )
    with CaptureSource(settings, rule=RULE) as source:
        item = next(source.items())
        assert isinstance(item, Sample)
        assert np.abs(item.data.astype(int) - (200, 0, 0)).max() < 8


def test_rpicam_that_dies_is_unavailable_with_its_last_words(
    program: Callable[[str, bytes], str],
) -> None:
    settings = RpicamSettings(program=program("dies", grey(100)), width=64, height=48)
    with (
        CaptureSource(settings, rule=RULE) as source,
        pytest.raises(Unavailable, match=r"exit code 255 .*no cameras available"),
    ):
        list(source.items())


def test_rpicam_that_hangs_within_a_picture_is_unavailable_and_ends(
    program: Callable[[str, bytes], str],
) -> None:
    settings = RpicamSettings(program=program("hangs", grey(100)), width=64, height=48, stall_s=0.5)
    with (
        CaptureSource(settings, rule=RULE) as source,
        pytest.raises(Unavailable, match=r"no picture for 0.5 s"),
    ):
        list(source.items())
    assert comes_true(
        lambda: (
            not any(
                _speaks_of(path, settings.program) for path in Path("/proc").glob("[0-9]*/cmdline")
            )
        )
    )


def _speaks_of(cmdline: Path, program: str) -> bool:
    try:
        return os.fsencode(program) in cmdline.read_bytes()
    except OSError:
        return False


def test_rpicam_is_told_all_that_was_asked_for() -> None:
    words = command_of(RpicamSettings(camera=1, fps=12.5, options=("--exposure", "sport")))
    assert words[0] == "rpicam-vid"
    assert " ".join(words).endswith("--exposure sport --output -")
    assert "--framerate 12.5 --codec mjpeg" in " ".join(words)
