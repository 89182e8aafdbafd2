"""Reads a CSI camera by the program `rpicam-vid`, which writes pictures on a pipe."""

import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

import cv2
import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.pipeline.capture.mjpeg import MjpegSplitter
from edgekit.pipeline.capture.readers.newest import newest_of
from edgekit.pipeline.capture.readers.reader import Frame
from edgekit.pipeline.capture.settings import RpicamSettings

_PIPE_BYTES = 1 << 16
_GRACE_S = 0.5


class RpicamReader:
    """The pictures of `rpicam-vid`, for as long as it runs."""

    is_live = True
    is_one_stream = True

    def __init__(self, settings: RpicamSettings) -> None:
        self._settings = settings

    def frames(self, opened: Callable[[str], None]) -> Iterator[Frame | None]:
        """Each picture.

        Raises:
            InputError: the program cannot be started, or ended.
        """
        settings = self._settings
        try:
            program = subprocess.Popen(
                command_of(settings), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0
            )
        except OSError as error:
            raise InputError(
                f"cannot start {settings.program}: {error.strerror}; install rpicam-apps"
            ) from error
        assert program.stdout is not None
        try:
            opened(f"{settings.width} x {settings.height} at {settings.fps:g} Hz")
            yield from self._newest(program.stdout)
            raise InputError(f"{settings.program} ended with exit code {program.wait()}")
        finally:
            _end(program)

    def _newest(self, pipe: IO[bytes]) -> Iterator[Frame]:
        settings = self._settings
        read, decode = _jpegs, _decoded
        if settings.codec == "yuv420":
            read, decode = _yuvs, partial(_from_yuv, settings.width)
        number = 0
        for data, arrived_ns, missed in newest_of(read(pipe, settings)):
            number += missed + 1
            yield Frame(partial(decode, data), f"rpicam#{number - 1}", arrived_ns, missed=missed)


def command_of(settings: RpicamSettings) -> list[str]:
    """The words that start the program."""
    words = [settings.program, "--camera", str(settings.camera), "--timeout", "0", "--nopreview"]
    words += ["--width", str(settings.width), "--height", str(settings.height)]
    words += ["--framerate", f"{settings.fps:g}", "--codec", settings.codec, "--flush"]
    return [*words, "--verbose", "0", *settings.options, "--output", "-"]


def _jpegs(pipe: IO[bytes], settings: RpicamSettings) -> Iterator[bytes]:
    splitter = MjpegSplitter()
    while data := pipe.read(_PIPE_BYTES):
        yield from splitter.push(data)


def _yuvs(pipe: IO[bytes], settings: RpicamSettings) -> Iterator[bytes]:
    size = settings.width * settings.height * 3 // 2
    held = bytearray()
    while data := pipe.read(min(_PIPE_BYTES, size - len(held))):
        held += data
        if len(held) == size:
            yield bytes(held)
            held.clear()


def _from_yuv(width: int, data: bytes) -> Array:
    rows = np.frombuffer(data, np.uint8).reshape(-1, width)
    picture: Array = cv2.cvtColor(rows, cv2.COLOR_YUV2BGR_I420)
    return picture


def _decoded(jpeg: bytes) -> Array:
    try:
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise InputError(f"a picture that cannot be decoded: {error.err}") from error
    if picture is None:
        raise InputError("a picture that cannot be decoded")
    decoded: Array = picture
    return decoded


def _end(program: "subprocess.Popen[bytes]") -> None:
    program.terminate()
    try:
        program.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        program.kill()  # the parent ends the whole group soon, should it hang in a driver
    assert program.stdout is not None
    program.stdout.close()
