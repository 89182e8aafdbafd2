"""Reads a V4L2 camera by OpenCV."""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import cv2

from edgekit.errors import InputError
from edgekit.pipeline.capture.clocks import driver_time
from edgekit.pipeline.capture.readers.reader import Frame, release_soon
from edgekit.pipeline.capture.readers.video import retrieved
from edgekit.pipeline.capture.settings import CameraSettings

_MISSES = 5
"""Grabs in a row that may fail before the camera counts as gone."""


class CameraReader:
    """The pictures of a camera, for as long as it is there."""

    is_live = True
    is_one_stream = True

    def __init__(
        self,
        settings: CameraSettings,
        *,
        opener: Callable[[str, int], Any] = cv2.VideoCapture,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._settings = settings
        self._opener = opener
        self._clock_ns = clock_ns

    def frames(self, opened: Callable[[str], None]) -> Iterator[Frame | None]:
        """Each picture that the driver has.

        Raises:
            InputError: the camera is not there, is in use, or stopped giving pictures.
        """
        # A link below /dev/v4l/by-id points to another device after each re-plugging.
        device = os.path.realpath(self._settings.path)
        camera = self._opener(device, cv2.CAP_V4L2)
        try:
            if not camera.isOpened():
                raise InputError(_why_not(device))
            self._ask_for(camera)
            opened(self._granted(camera))
            yield from self._grabbed(camera)
        finally:
            release_soon(camera.release)

    def _grabbed(self, camera: Any) -> Iterator[Frame | None]:
        said_ns, misses, number = -1, 0, 0
        while True:
            if not camera.grab():
                misses += 1
                if misses == _MISSES:
                    raise InputError("gives no pictures any more; is it still plugged in?")
                continue
            misses, before_ns = 0, said_ns
            arrived_ns, said_ns = self._clock_ns(), round(camera.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
            taken_ns = driver_time(said_ns, before_ns=before_ns, arrived_ns=arrived_ns)
            yield Frame(
                partial(retrieved, camera), f"{self._settings.path.name}#{number}", taken_ns
            )
            number += 1

    def _ask_for(self, camera: Any) -> None:
        asked = self._settings
        # The format comes first: it decides which sizes and rates there are.
        if asked.fourcc is not None:
            camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*asked.fourcc))
        if asked.width is not None and asked.height is not None:
            camera.set(cv2.CAP_PROP_FRAME_WIDTH, asked.width)
            camera.set(cv2.CAP_PROP_FRAME_HEIGHT, asked.height)
        if asked.fps is not None:
            camera.set(cv2.CAP_PROP_FPS, asked.fps)
        camera.set(cv2.CAP_PROP_BUFFERSIZE, asked.buffers)

    def _granted(self, camera: Any) -> str:
        width, height = (
            int(camera.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        fourcc = int(camera.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
        text = f"{width} x {height} at {camera.get(cv2.CAP_PROP_FPS):.4g} Hz"
        text += f" as {fourcc.decode('ascii', 'replace').strip(chr(0))}"
        asked = self._settings
        if asked.width is not None and (asked.width, asked.height) != (width, height):
            text += f", though {asked.width} x {asked.height} was asked for"
        return text


def _why_not(device: str) -> str:
    if not os.path.exists(device):  # noqa: PTH110 - a device, not a file of ours
        return f"there is no {device}; is it plugged in? `v4l2-ctl --list-devices` shows all"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"no permission for {device}; put the user into the group video"
    return f"{device} cannot be opened; does another program use it?"
