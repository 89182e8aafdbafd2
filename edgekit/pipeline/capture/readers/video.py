"""Reads the pictures of a video file."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import cv2

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.pipeline.capture.readers.reader import Frame
from edgekit.pipeline.capture.settings import VideoSettings

_BEAT_S = 0.5


class VideoReader:
    """The pictures of a video, once or for ever, as fast as it goes or as the file says."""

    is_one_stream = True

    def __init__(
        self, settings: VideoSettings, *, opener: Callable[..., Any] = cv2.VideoCapture
    ) -> None:
        self._settings = settings
        self._opener = opener
        self.is_live = False

    def frames(self, opened: Callable[[str], None]) -> Iterator[Frame | None]:
        """Each picture.

        Raises:
            InputError: it is no video that can be decoded.
        """
        path, number = self._settings.path, 0
        while True:
            video = self._opener(str(path))
            try:
                if not video.isOpened():
                    raise InputError("not a video that can be decoded")
                fps = max(video.get(cv2.CAP_PROP_FPS), 1.0)
                if number == 0:
                    opened(f"{fps:.4g} pictures a second")
                first, started = number, time.monotonic()
                while video.grab():
                    due_s = started + (number - first) / fps
                    while self._settings.realtime and (wait_s := due_s - time.monotonic()) > 0:
                        time.sleep(min(wait_s, _BEAT_S))
                        yield None
                    yield Frame(partial(retrieved, video), f"{path.name}#{number}")
                    number += 1
            finally:
                video.release()
            if number == first:
                raise InputError("a video without a single readable picture")
            if not self._settings.loop:
                return


def retrieved(video: Any) -> Array:
    """The picture that an OpenCV capture has grabbed, as uint8 `[height, width, 3]` BGR.

    Raises:
        InputError: it cannot be decoded, or is none of three colours.
    """
    try:
        is_read, picture = video.retrieve()
    except cv2.error as error:
        raise InputError(f"a picture that cannot be decoded: {error.err}") from error
    if not is_read or picture is None or picture.size == 0:
        raise InputError("a picture that cannot be decoded")
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    decoded: Array = picture
    return decoded
