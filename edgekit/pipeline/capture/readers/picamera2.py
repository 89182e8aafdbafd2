"""Reads a CSI camera by picamera2, which comes with the system and not from PyPI."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.pipeline.capture.clocks import driver_time
from edgekit.pipeline.capture.readers.reader import Frame, release_soon
from edgekit.pipeline.capture.settings import Picamera2Settings

_BUFFERS = 3


def open_picamera2(number: int) -> Any:
    """The camera of that number.

    Raises:
        InputError: picamera2 is not installed, or there is no such camera.
    """
    try:
        from picamera2 import Picamera2
    except ImportError as error:
        raise InputError(
            "picamera2 is not here: apt install python3-picamera2, and make the environment with "
            "`python3 -m venv --system-site-packages`"
        ) from error
    try:
        return Picamera2(number)
    except (IndexError, RuntimeError) as error:
        raise InputError(f"cannot be opened: {error}; `rpicam-hello --list-cameras`") from error


class Picamera2Reader:
    """The pictures of a CSI camera, for as long as it gives any."""

    is_live = True
    is_one_stream = True

    def __init__(
        self,
        settings: Picamera2Settings,
        *,
        opener: Callable[[int], Any] = open_picamera2,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        boot_clock_ns: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME),
    ) -> None:
        self._settings = settings
        self._opener = opener
        self._clock_ns = clock_ns
        self._boot_clock_ns = boot_clock_ns

    def frames(self, opened: Callable[[str], None]) -> Iterator[Frame | None]:
        """Each picture.

        Raises:
            InputError: there is no such camera, or libcamera gave up.
        """
        settings = self._settings
        camera = self._opener(settings.camera)
        try:
            camera.configure(
                camera.create_video_configuration(
                    # libcamera names formats from the last byte: this is R, G, B in memory.
                    main={"size": (settings.width, settings.height), "format": "BGR888"},
                    controls={"FrameRate": settings.fps},
                    buffer_count=_BUFFERS,
                )
            )
            camera.start()
            opened(f"{settings.width} x {settings.height} at {settings.fps:g} Hz")
            yield from self._requested(camera)
        except (RuntimeError, TimeoutError) as error:
            raise InputError(f"libcamera gave up: {error}") from error
        finally:
            release_soon(camera.close)

    def _requested(self, camera: Any) -> Iterator[Frame | None]:
        said_ns, number = -1, 0
        while True:
            request = camera.capture_request()
            try:
                before_ns, arrived_ns = said_ns, self._clock_ns()
                # The sensor's time counts what the board slept, which ours does not.
                slept_ns = self._boot_clock_ns() - arrived_ns
                said_ns = int(request.get_metadata().get("SensorTimestamp", 0)) - slept_ns
                taken_ns = driver_time(said_ns, before_ns=before_ns, arrived_ns=arrived_ns)
                yield Frame(partial(_array, request), f"picamera2#{number}", taken_ns, "RGB")
                number += 1
            finally:
                request.release()


def _array(request: Any) -> Array:
    picture: Array = request.make_array("main")
    return picture
