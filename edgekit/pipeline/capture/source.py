"""Reads pictures in a child process, so that a driver that hangs or dies takes nothing with it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Self

import msgspec

from edgekit.bundle import PictureRule
from edgekit.errors import Unavailable
from edgekit.pipeline.capture.process import CHILD, CaptureProcess, kill_group
from edgekit.pipeline.capture.protocol import (
    Alive,
    Captured,
    Ended,
    Failed,
    Opened,
    Refused,
    Request,
)
from edgekit.pipeline.capture.settings import (
    AnySettings,
    PictureSettings,
)
from edgekit.pipeline.parts import Refusal, Sample

_log = logging.getLogger(__name__)
_START_S = 30.0
"""For an interpreter and OpenCV to start on the slowest board."""


class CaptureSource:
    """The pictures of a camera, a stream, a file or a folder, made ready in a child process.

    The pictures come in memory shared with the child: at most `SLOTS` are under way. Of a live
    source only the newest waits, of files none is lost. It may be entered again after it broke.

    Attributes:
        skipped: pictures that a newer one replaced in the child, so far.
        thinned: pictures that `max_hz` left out, so far.
    """

    def __init__(
        self,
        settings: AnySettings,
        *,
        rule: PictureRule,
        command: Sequence[str] = CHILD,
        kill: Callable[[int], None] = kill_group,
        kill_timeout_s: float = 5.0,
    ) -> None:
        """Opens nothing yet.

        Args:
            settings: what to read.
            rule: how a picture becomes a sample.
            command: the child's program, for tests.
            kill: ends a process group, for tests.
            kill_timeout_s: how long a killed child may take to die.
        """
        self.skipped = 0
        self.thinned = 0
        self._settings = settings
        self._rule = rule
        self._max_hz = settings.max_hz
        self._start = partial(
            CaptureProcess, command=command, kill=kill, kill_timeout_s=kill_timeout_s
        )
        self._waits = _Waits(settings)
        self._process: CaptureProcess | None = None
        self._stopping = False

    def __enter__(self) -> Self:
        self._stopping = False
        settings = msgspec.structs.replace(self._settings, max_hz=self._max_hz)
        self._waits = _Waits(settings)
        self._process = self._start(Request(settings, self._rule))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping = True
        process, self._process = self._process, None
        if process is not None:
            process.end()

    @property
    def child_pid(self) -> int:
        """The child's process id.

        Raises:
            Unavailable: there is no child now.
        """
        return self._running().pid

    def items(self) -> Iterator[Sample | Refusal]:
        """Each picture as the child gives it.

        Raises:
            Unavailable: the source cannot be read or gives nothing, or the child died.
            Stuck: the child hangs and cannot be killed.
        """
        process, where = self._running(), self._settings.where
        waits = self._waits
        try:
            while True:
                process.ask()
                while isinstance(message := process.receive(waits.patience_s), Alive | Opened):
                    waits.advance(message)
                match message:
                    case None:
                        break
                    case Captured():
                        yield self._sample(process, message)
                    case Refused(reason):
                        yield Refusal(reason)
                    case Failed(reason):
                        raise Unavailable(f"{where}: {reason}{process.last_words()}")
                    case Ended():
                        return
        except TimeoutError:
            process.end()
            words = process.last_words()
            raise Unavailable(f"{where}: {waits.text}; ended its process{words}") from None
        except OSError:
            pass  # the link broke, which is told as its end is
        if not self._stopping:
            end = process.exit_text()
            raise Unavailable(f"{where}: the capture process {end}{process.last_words()}")

    def set_rate(self, hz: float | None) -> None:
        """At most so many pictures a second from now on, also after the next entering.

        May be called from any thread.
        """
        self._max_hz = hz
        if (process := self._process) is not None:
            process.set_rate(hz)

    def snapshot(self, timeout_s: float, *, full: bool = False) -> bytes | None:
        """The newest picture as JPEG, from any thread; `None` where there is none in time.

        Args:
            timeout_s: how long to wait for the child.
            full: the whole upright picture, rather than what the model is given.
        """
        process = self._process
        return None if process is None else process.snapshot(timeout_s, full=full)

    def stop(self) -> None:
        """Makes `items` end and the child leave."""
        self._stopping = True
        if (process := self._process) is not None:
            process.hang_up()

    def _running(self) -> CaptureProcess:
        process = self._process
        if process is None:
            raise Unavailable(f"{self._settings.where}: is not open")
        return process

    def _sample(self, process: CaptureProcess, message: Captured) -> Sample:
        self.skipped += message.skipped
        self.thinned += message.thinned
        return Sample(
            process.hold(message.slot),
            message.taken_at_ns,
            message.taken_at_ms,
            message.origin,
            partial(process.release, message.slot),
        )


class _Waits:
    """What the child is to do next, and how long it may take."""

    def __init__(self, settings: PictureSettings) -> None:
        self._settings = settings
        self.patience_s = _START_S
        self.text = f"its process did not start within {_START_S:g} s"

    def advance(self, message: Alive | Opened) -> None:
        """The child says that it has come further."""
        if isinstance(message, Opened):
            _log.info("%s: open: %s", self._settings.where, message.description)
            self.patience_s = self._settings.stall_s
            self.text = f"no picture for {self.patience_s:g} s"
        elif self.patience_s == _START_S:
            self.patience_s = self._settings.open_s
            self.text = f"did not open within {self.patience_s:g} s"
