"""Reads a network camera by OpenCV's FFmpeg."""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2

from edgekit.errors import InputError
from edgekit.pipeline.capture.clocks import StreamClock
from edgekit.pipeline.capture.readers.reader import Frame, release_soon
from edgekit.pipeline.capture.readers.video import retrieved
from edgekit.pipeline.capture.settings import RtspSettings

_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"


class RtspReader:
    """The pictures of an RTSP stream, until it breaks: then the pipeline is started again."""

    is_live = True
    is_one_stream = True

    def __init__(
        self,
        settings: RtspSettings,
        *,
        opener: Callable[[str, int, list[int]], Any] = cv2.VideoCapture,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._settings = settings
        self._opener = opener
        self._clock_ns = clock_ns

    def frames(self, opened: Callable[[str], None]) -> Iterator[Frame | None]:
        """Each picture.

        Raises:
            InputError: the stream cannot be had, or broke.
        """
        settings = self._settings
        url = with_credentials(settings.url, settings.credentials_file)
        options = f"rtsp_transport;{settings.transport}|fflags;nobuffer"
        os.environ.setdefault(_OPTIONS, options)  # the only way to FFmpeg; the child has one source
        parameters = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(settings.open_timeout_s * 1000)),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(settings.read_timeout_s * 1000)),
            *(cv2.CAP_PROP_N_THREADS, settings.threads),
        ]
        stream = self._opener(url, cv2.CAP_FFMPEG, parameters)
        try:
            if not stream.isOpened():
                raise InputError("cannot be opened; look at the address, the password, the network")
            width, height = (
                int(stream.get(key))
                for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
            )
            opened(f"{width} x {height} by {settings.transport}")
            yield from self._grabbed(stream)
            raise InputError(f"the stream ended, or gave nothing for {settings.read_timeout_s:g} s")
        finally:
            release_soon(stream.release)

    def _grabbed(self, stream: Any) -> Iterator[Frame]:
        clock, number = StreamClock(), 0
        limit_ns = self._settings.read_timeout_s * 0.95e9
        asked_ns = self._clock_ns()
        while stream.grab():
            arrived_ns = self._clock_ns()
            if arrived_ns - asked_ns >= limit_ns:
                return  # FFmpeg gave up waiting, and hands out what its decoder still held
            said_ns = round(stream.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
            taken_ns = clock.taken_at_ns(said_ns, arrived_ns)
            yield Frame(partial(retrieved, stream), f"rtsp#{number}", taken_ns)
            number += 1
            asked_ns = self._clock_ns()


def with_credentials(url: str, file: Path | None) -> str:
    """The address with the user and password of a file's first line.

    Raises:
        InputError: the file cannot be read, or holds no `user:password`.
    """
    if file is None:
        return url
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read as text: {type(error).__name__}") from error
    user, colon, password = (lines[0] if lines else "").strip().partition(":")
    if not user or not colon:
        raise InputError(f"{file}: its first line must be user:password")
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"
