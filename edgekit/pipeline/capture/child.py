"""The capture child: decodes and resizes pictures into memory that it shares with the daemon.

Run as `python -m edgekit.pipeline.capture.child MEMORY_FD SOCKET_FD`. It leaves when its parent
does.
"""

import mmap
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.pipeline.capture.protocol import (
    SLOTS,
    Captured,
    Ended,
    Failed,
    Refused,
    Request,
    receive_release,
    receive_request,
    send,
)
from edgekit.pipeline.capture.source import rule_bytes
from edgekit.pipeline.pictures import SUFFIXES, decode_picture, fit_picture

Picture = tuple[Array, str]


def main() -> None:
    """Serves one request."""
    # The terminal and systemd signal the whole group; the parent decides when this child ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    memory_fd, link_fd = int(sys.argv[1]), int(sys.argv[2])
    with socket.socket(fileno=link_fd) as link:
        try:
            request = receive_request(link)
            memory = mmap.mmap(memory_fd, rule_bytes(request.rule) * SLOTS)
            _serve(link, request, np.frombuffer(memory, np.uint8))
        except OSError:
            return  # the parent is gone


def _serve(link: socket.socket, request: Request, memory: Array) -> None:
    shape = (SLOTS, request.rule.height, request.rule.width, 3)
    slots = memory.reshape(shape)
    free = deque(range(SLOTS))
    read = _video if request.kind == "video" else _images
    try:
        for item in read(request):
            if isinstance(item, InputError):
                send(link, Refused(str(item)))
                continue
            taken_at_ns, taken_at_ms = time.monotonic_ns(), time.time_ns() // 1_000_000
            picture, origin = item
            fitted = fit_picture(picture, request.rule)
            if not free:
                slot = receive_release(link)
                if slot is None:
                    return
                free.append(slot)
            slot = free.popleft()
            slots[slot] = fitted
            send(link, Captured(slot, taken_at_ns, taken_at_ms, origin))
    except InputError as error:
        send(link, Failed(str(error)))
    else:
        send(link, Ended())
    while receive_release(link) is not None:  # the parent may still hand slots back
        pass


def _images(request: Request) -> Iterator[Picture | InputError]:
    folder = Path(request.path)
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from error
    if not paths:
        raise InputError(f"{folder}: has no pictures ({', '.join(SUFFIXES)})")
    for path in paths:
        try:
            yield decode_picture(path), path.name
        except InputError as error:
            yield error


def _video(request: Request) -> Iterator[Picture | InputError]:
    path = Path(request.path)
    number = 0
    while True:
        video = cv2.VideoCapture(request.path)
        if not video.isOpened():
            raise InputError(f"{path}: not a video that can be decoded")
        period_s = 1 / max(video.get(cv2.CAP_PROP_FPS), 1.0)
        started, first = time.monotonic(), number
        while True:
            is_read, picture = video.read()
            if not is_read:
                break
            if request.realtime:
                time.sleep(max(0.0, started + (number - first) * period_s - time.monotonic()))
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), f"{path.name}#{number}"
            number += 1
        video.release()
        if number == first:
            raise InputError(f"{path}: a video without a single readable picture")
        if not request.loop:
            return


if __name__ == "__main__":
    main()
