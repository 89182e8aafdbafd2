"""A capture child whose cameras are made up: 640 x 480 at the rate that they are asked for.

`python -m tools.bench.capture_camera MEMORY_FD SOCKET_FD`, as `edgekit.pipeline.capture.child`.
"""

import time

import cv2
import numpy as np

from edgekit.array import Array
from edgekit.pipeline.capture import child
from edgekit.pipeline.capture.readers import READERS
from edgekit.pipeline.capture.readers.camera import CameraReader
from edgekit.pipeline.capture.settings import CameraSettings

_HEIGHT, _WIDTH = 480, 640


class MadeUpCamera(CameraReader):
    """Reads a camera that is none."""

    def __init__(self, settings: CameraSettings) -> None:
        super().__init__(settings, opener=_MadeUpCapture)


class _MadeUpCapture:
    """Speaks as `cv2.VideoCapture`; like a driver, drops what its buffers cannot hold."""

    def __init__(self, device: str, backend: int) -> None:
        self._properties: dict[int, float] = {}
        self._picture = np.random.default_rng(0).integers(0, 256, (_HEIGHT, _WIDTH, 3), np.uint8)
        self._started_s = time.monotonic()
        self._number = -1

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def set(self, key: int, value: float) -> bool:
        self._properties[key] = value
        return True

    def get(self, key: int) -> float:
        if key == cv2.CAP_PROP_POS_MSEC:
            return self._time_s(self._number) * 1000
        return self._properties.get(key, 0.0)

    def grab(self) -> bool:
        rate, buffers = (
            self._properties[cv2.CAP_PROP_FPS],
            self._properties[cv2.CAP_PROP_BUFFERSIZE],
        )
        newest = int((time.monotonic() - self._started_s) * rate)
        self._number = max(self._number + 1, newest - int(buffers) + 1)
        time.sleep(max(0.0, self._time_s(self._number) - time.monotonic()))
        return True

    def retrieve(self) -> tuple[bool, Array]:
        return True, self._picture.copy()

    def release(self) -> None:
        """Has nothing to release."""

    def _time_s(self, number: int) -> float:
        return self._started_s + number / self._properties[cv2.CAP_PROP_FPS]


if __name__ == "__main__":
    child.main({**READERS, "camera": "tools.bench.capture_camera:MadeUpCamera"})
