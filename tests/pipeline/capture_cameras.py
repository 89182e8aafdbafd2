"""Cameras that are none, each for one way in which drivers behave, and a child that reads them.

`camera("steady")` is the settings of one; `FAKE_CHILD` is the command of a capture child that
opens them in place of OpenCV's. They speak as `cv2.VideoCapture` does.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgekit.array import Array
from edgekit.pipeline.capture import child
from edgekit.pipeline.capture.readers import READERS
from edgekit.pipeline.capture.readers.camera import CameraReader
from edgekit.pipeline.capture.settings import CameraSettings

_ROOT = Path(__file__).resolve().parent.parent.parent
FAKE_CHILD = (
    sys.executable,
    "-c",
    f"import sys; sys.path.insert(0, {str(_ROOT)!r}); "
    "from tests.pipeline.capture_cameras import main; main()",
)
FPS = 50
HEIGHT, WIDTH = 48, 64
FOLDER = Path("/edgekit-test")


def camera(behaviour: str, **more: Any) -> CameraSettings:
    """The settings of a camera that behaves so: a name that `FakeCapture` knows."""
    return CameraSettings(device=str(FOLDER / behaviour), **more)


def comes_true(question: Callable[[], bool], *, patience_s: float = 10.0) -> bool:
    """Whether something about another process comes true soon, which nobody tells us of."""
    deadline_s = time.monotonic() + patience_s
    while not question():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.005)
    return True


def main() -> None:
    """A capture child whose cameras are these."""
    child.main(READERS | {"camera": "tests.pipeline.capture_cameras:FakeCameraReader"})


class FakeCameraReader(CameraReader):
    """Reads cameras that are none."""

    def __init__(self, settings: CameraSettings) -> None:
        super().__init__(settings, opener=FakeCapture)


class FakeCapture:
    """Gives 50 pictures a second; the number of each is its grey level.

    Like a driver it holds as many pictures as it was asked to, and drops what finds no room.
    """

    def __init__(self, device: str, backend: int = 0) -> None:
        self.behaviour = Path(device).name
        self.asked: list[tuple[int, float]] = []
        self.released = False
        self._properties: dict[int, float] = {cv2.CAP_PROP_BUFFERSIZE: 4}
        self._number = -1
        self._started_s = time.monotonic()
        if self.behaviour == "hangs-on-open":
            time.sleep(3600)
        if self.behaviour == "starts-a-program":
            subprocess.Popen(["sleep", "3600"])

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self.behaviour != "closed"

    def set(self, key: int, value: float) -> bool:
        self.asked.append((key, value))
        self._properties[key] = value
        return True

    def get(self, key: int) -> float:
        if key == cv2.CAP_PROP_POS_MSEC:
            return (self._started_s + self._number / FPS) * 1000
        sizes = {cv2.CAP_PROP_FRAME_WIDTH: WIDTH, cv2.CAP_PROP_FRAME_HEIGHT: HEIGHT}
        return sizes.get(key, self._properties.get(key, 0.0))

    def grab(self) -> bool:
        oldest = self._newest_number() - int(self._properties[cv2.CAP_PROP_BUFFERSIZE]) + 1
        self._number = max(self._number + 1, oldest)
        match self.behaviour:
            case "hangs-after-three" if self._number >= 3:
                time.sleep(3600)
            case "slower-and-slower":
                time.sleep(0.05 * self._number)
            case "chatters":
                for _ in range(200):
                    sys.stderr.write("Corrupt JPEG data: premature end " + "x" * 1000 + "\n")
            case "gone-after-three" if self._number >= 3:
                return False
            case "crashes-after-three" if self._number >= 3:
                sys.stderr.write("at rtsp://joe:secret@10.0.0.1/cam?token=secret: bad luck\n")
                raise SystemExit(9)
        wait_s = self._started_s + self._number / FPS - time.monotonic()
        time.sleep(max(0.0, wait_s))
        return True

    def retrieve(self) -> tuple[bool, Array | None]:
        if self.behaviour == "garbage":
            return False, None
        picture = np.full((HEIGHT, WIDTH, 3), self._number % 256, np.uint8)
        picture[: HEIGHT // 2, : WIDTH // 2] = (255, 0, 0)  # the top left is blue, in BGR
        return True, picture

    def release(self) -> None:
        self.released = True

    def _newest_number(self) -> int:
        return int((time.monotonic() - self._started_s) * FPS)
