"""Reads pictures in a child process, so that a decoder that hangs or dies takes nothing with it."""

import mmap
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np

from edgekit.bundle import PictureRule
from edgekit.errors import Unavailable
from edgekit.pipeline.capture.protocol import (
    SLOTS,
    Captured,
    Ended,
    Failed,
    Refused,
    Release,
    Request,
    receive,
    send,
)
from edgekit.pipeline.parts import Refusal, Sample

_CHILD = "edgekit.pipeline.capture.child"
_GRACE_S = 0.5


class CaptureSource:
    """The pictures of a video file or a folder, decoded and resized in a child process.

    The pictures come in memory shared with the child: at most `SLOTS` are under way, and the
    child waits for a free one.
    """

    def __init__(
        self,
        kind: Literal["video", "images"],
        path: Path,
        *,
        rule: PictureRule,
        realtime: bool = False,
        loop: bool = False,
    ) -> None:
        self._request = Request(kind=kind, path=str(path), rule=rule, realtime=realtime, loop=loop)
        self._shape = (rule.height, rule.width, 3)
        self._stopping = False

    def __enter__(self) -> Self:
        size = rule_bytes(self._request.rule)
        memory_fd = _anonymous_memory(size * SLOTS)
        self._memory = mmap.mmap(memory_fd, size * SLOTS)
        self._slots = [
            np.frombuffer(self._memory, np.uint8, size, size * slot).reshape(self._shape)
            for slot in range(SLOTS)
        ]
        self._link, child_link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-m", _CHILD, str(memory_fd), str(child_link.fileno())],
                pass_fds=(memory_fd, child_link.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        except OSError as error:
            self._link.close()
            raise Unavailable(f"cannot start the capture process: {error.strerror}") from error
        finally:
            child_link.close()
            os.close(memory_fd)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        try:
            self._child.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._link.close()
        self._slots.clear()

    @property
    def child_pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    def items(self) -> Iterator[Sample | Refusal]:
        """Each picture as the child gives it.

        Raises:
            Unavailable: the source cannot be read, or the child died.
        """
        try:
            send(self._link, self._request)
            while (message := receive(self._link)) is not None:
                match message:
                    case Captured(slot, taken_at_ns, taken_at_ms, origin):
                        release = partial(self._release, slot)
                        yield Sample(self._slots[slot], taken_at_ns, taken_at_ms, origin, release)
                    case Refused(reason):
                        yield Refusal(reason)
                    case Failed(reason):
                        raise Unavailable(reason)
                    case Ended():
                        return
        except OSError as error:
            if not self._stopping:
                raise Unavailable(f"the capture process is gone: {error.strerror}") from error
        if not self._stopping:
            code = self._child.wait()
            raise Unavailable(f"the capture process died (exit code {code})")

    def stop(self) -> None:
        """Makes `items` end and the child leave."""
        self._stopping = True
        try:
            self._link.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the child was quicker

    def _release(self, slot: int) -> None:
        try:
            send(self._link, Release(slot))
        except OSError:
            return  # the child is gone, and its slots with it


def rule_bytes(rule: PictureRule) -> int:
    """How large one picture is in shared memory."""
    return rule.height * rule.width * 3


def _anonymous_memory(size_bytes: int) -> int:
    """A file descriptor of memory that has no name and so cannot be left behind."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("edgekit-capture")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size_bytes)
    return descriptor
