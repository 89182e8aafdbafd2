"""One run of the capture child, as its parent has it: memory, link, and the way to end it."""

import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from edgekit.array import Array
from edgekit.bundle import PictureRule
from edgekit.errors import Stuck, Unavailable
from edgekit.pipeline.capture.last_words import LastWords
from edgekit.pipeline.capture.protocol import (
    MESSAGE_LIMIT_BYTES,
    SLOTS,
    Ask,
    Release,
    Request,
    SetRate,
    Snapshot,
    ToParent,
    decode,
    encode,
    send,
)

CHILD = (sys.executable, "-m", "edgekit.pipeline.capture.child")
GRACE_S = 1.0
"""How long a child may take to leave by itself once its parent has hung up."""

_QUIET = {"OPENCV_LOG_LEVEL": "ERROR", "LIBCAMERA_LOG_LEVELS": "*:WARN"}
_SNAPSHOT_LIMIT_BYTES = 64_000_000
_RELEASES = tuple(encode(Release(slot)) for slot in range(SLOTS))


def kill_group(group: int) -> None:
    """SIGKILL to a process group, where there is one."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


class CaptureProcess:
    """A capture child from its start to its end.

    Attributes:
        pid: its process id, which is its process group's too.
        pictures: the slots, uint8 `[height, width, 3]` each; they outlive the child as long as
            somebody holds one.
    """

    def __init__(
        self,
        request: Request,
        *,
        command: Sequence[str] = CHILD,
        kill: Callable[[int], None] = kill_group,
        kill_timeout_s: float = 5.0,
    ) -> None:
        """Starts the child.

        Args:
            request: what it is to read.
            command: the program; it gets the numbers of the memory's and the socket's file.
            kill: ends a process group for good.
            kill_timeout_s: how long a killed child may take to die.

        Raises:
            Unavailable: it cannot be started.
        """
        self._where = request.settings.where
        self._kill, self._kill_timeout_s = kill, kill_timeout_s
        self._ending = threading.Lock()
        self._is_over = False
        size = picture_bytes(request.rule)
        memory_fd = _anonymous_memory(size * SLOTS)
        memory = mmap.mmap(memory_fd, size * SLOTS)
        shape = (request.rule.height, request.rule.width, 3)
        self.pictures: tuple[Array, ...] = tuple(
            np.frombuffer(memory, np.uint8, size, size * slot).reshape(shape)
            for slot in range(SLOTS)
        )
        self._held: set[int] = set()
        self._last_words = LastWords()
        self._link, child_link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._child = subprocess.Popen(
                [*command, str(memory_fd), str(child_link.fileno())],
                pass_fds=(memory_fd, child_link.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._last_words.writer,
                env=_QUIET | os.environ,
                start_new_session=True,  # signals of the terminal pass by, and kill reaches its own
            )
            self.pid = self._child.pid
            send(self._link, request)
        except OSError as error:
            self._link.close()
            self._last_words.close()
            reason = error.strerror or error
            raise Unavailable(
                f"{self._where}: cannot start the capture process: {reason}"
            ) from error
        finally:
            self._last_words.close_writer()
            child_link.close()
            os.close(memory_fd)
        self._poll = select.poll()
        self._poll.register(self._link, select.POLLIN)
        self._moved_at_s = time.monotonic()

    def ask(self) -> None:
        """Asks for one more item.

        Raises:
            OSError: the child is gone.
        """
        self._moved_at_s = time.monotonic()
        send(self._link, Ask())

    def receive(self, patience_s: float) -> ToParent | None:
        """The child's next message; `None` where it, or the link, is gone.

        Args:
            patience_s: how long the child may take while it has a slot to write to.

        Raises:
            TimeoutError: it took longer.
            Unavailable: what came is no message.
            OSError: the child is gone.
        """
        while not self._poll.poll(max(0.0, self._deadline_s(patience_s) - time.monotonic()) * 1000):
            if self._deadline_s(patience_s) <= time.monotonic() and not self._poll.poll(0):
                raise TimeoutError
        self._last_words.drain()
        data = self._link.recv(MESSAGE_LIMIT_BYTES)
        self._moved_at_s = time.monotonic()
        return decode(data) if data else None

    def hold(self, slot: int) -> Array:
        """The picture in a slot, which the child leaves alone until `release`."""
        self._held.add(slot)
        return self.pictures[slot]

    def release(self, slot: int) -> None:
        """Gives a slot back. May be called from any thread, and after the child's end."""
        self._moved_at_s = time.monotonic()
        self._held.discard(slot)
        try:  # by the thread that runs the model, after each frame: so in as few steps as can be
            self._link.send(_RELEASES[slot], socket.MSG_DONTWAIT)
        except OSError:  # the child is gone, and its slots with it
            return

    def set_rate(self, max_hz: float | None) -> None:
        """Tells the child its rate; a child that is gone needs none."""
        with suppress(OSError):
            send(self._link, SetRate(max_hz))

    def snapshot(self, timeout_s: float, *, full: bool) -> bytes | None:
        """The newest picture as JPEG; `None` where there is none in time."""
        deadline_s = time.monotonic() + timeout_s
        mine, child_end = socket.socketpair()
        with mine, suppress(OSError):  # also a timeout's
            with child_end:
                send(self._link, Snapshot(full), [child_end.fileno()])
            parts: list[bytes] = []
            while sum(map(len, parts)) < _SNAPSHOT_LIMIT_BYTES:
                mine.settimeout(max(0.001, deadline_s - time.monotonic()))
                part = mine.recv(1 << 20)
                if not part:
                    return b"".join(parts) or None
                parts.append(part)
        return None

    def last_words(self) -> str:
        """What the child last wrote to its stderr, in brackets, or nothing."""
        words = self._last_words.quoted()
        return f" ({words})" if words else ""

    def hang_up(self) -> None:
        """Ends a `receive`, and tells the child to leave. May be called from any thread."""
        with suppress(OSError):  # the child was quicker
            self._link.shutdown(socket.SHUT_RDWR)

    def exit_text(self) -> str:
        """How a child ended that has hung up."""
        if not self._exits_within(GRACE_S):
            return "hung up"
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        assert ended is not None
        if ended.si_code == os.CLD_EXITED:
            return f"died (exit code {ended.si_status})"
        return f"died ({_signal_name(ended.si_status)})"

    def end(self) -> None:
        """Makes the child leave, or kills it with all it started; harmless once it is over.

        Raises:
            Stuck: it hangs in a driver, where no signal reaches it.
        """
        with self._ending:
            if self._is_over:
                return
            self._is_over = True
            self.hang_up()
            try:
                self._leave_or_kill()
            finally:
                self._link.close()
                self._last_words.close()

    def _leave_or_kill(self) -> None:
        self._exits_within(GRACE_S)
        # A child that left may have left a program behind, and is not reaped yet: its number, and
        # so its group's, is still its own.
        self._kill(self.pid)
        if not self._exits_within(self._kill_timeout_s):
            # Should its driver let go of it some day, it is reaped.
            threading.Thread(target=self._child.wait, name="reaper", daemon=True).start()
            raise Stuck(
                f"{self._where}: the capture process {self.pid} was killed "
                f"{self._kill_timeout_s:g} s ago and still hangs in its driver: "
                "only a reboot helps"
            )
        self._child.wait()

    def _exits_within(self, timeout_s: float) -> bool:
        """Waits for the child's end, without reaping it."""
        deadline_s, pause_s = time.monotonic() + timeout_s, 0.001
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while os.waitid(os.P_PID, self.pid, flags) is None:
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.05)
        return True

    def _deadline_s(self, patience_s: float) -> float:
        # While the parent holds every slot the child cannot move, and that is not its fault.
        since = time.monotonic() if len(self._held) == SLOTS else self._moved_at_s
        return since + patience_s


def picture_bytes(rule: PictureRule) -> int:
    """How large one picture is in shared memory."""
    return rule.height * rule.width * 3


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _anonymous_memory(size_bytes: int) -> int:
    """A file descriptor of memory that has no name and so cannot be left behind."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("edgekit-capture")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size_bytes)
    return descriptor
