"""Makes samples of a reader's frames, inside the capture child."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.pipeline.capture.exchange import Exchange
from edgekit.pipeline.capture.pace import Pace
from edgekit.pipeline.capture.protocol import TEXT_LIMIT, Captured, Opened, Refused, Request
from edgekit.pipeline.capture.readers.reader import Frame, Reader
from edgekit.pipeline.capture.region import box_as_taken, box_of
from edgekit.pipeline.pictures import copy_as_rgb, encode_jpeg, fit_picture, turn_picture

_REFUSALS_IN_A_ROW = 30
_LATE_NS = 300_000_000
_AT_LEAST_NS = 1_000_000_000
_WAIT_S = 0.25


@dataclass(frozen=True)
class _Newest:
    """What a snapshot is taken of; nobody writes to either picture any more."""

    taken: Array
    fitted: Array
    channels: Literal["RGB", "BGR"]


class PictureMaker:
    """Takes frames as they come, and makes pictures of those that are worth it."""

    def __init__(
        self,
        request: Request,
        reader: Reader,
        exchange: Exchange,
        slots: Array,
        say: Callable[[msgspec.Struct], None],
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Opens nothing yet.

        Args:
            request: what the parent wants.
            reader: gives frames.
            exchange: takes pictures.
            slots: uint8 `[SLOTS, height, width, 3]`.
            say: tells the parent at once.
            clock_ns: as `time.monotonic_ns`.
            wall_ns: as `time.time_ns`.
            sleep: as `time.sleep`.
        """
        self._settings = request.settings
        self._rule = request.rule
        self._reader = reader
        self._exchange = exchange
        self._slots = slots
        self._say = say
        self._clock_ns, self._wall_ns, self._sleep = clock_ns, wall_ns, sleep
        self._pace = Pace(self._settings.max_hz)
        self._newest: _Newest | None = None
        self._made_at_ns = 0
        self._refusals = 0

    def set_rate(self, max_hz: float | None) -> None:
        """At most so many pictures a second from now on. May be called from another thread."""
        self._pace = Pace(max_hz)

    def run(self) -> None:
        """Works until the source ends or the parent is gone.

        Raises:
            InputError: the source cannot be read.
        """
        frames = self._reader.frames(lambda text: self._say(Opened(text[:TEXT_LIMIT])))
        try:
            for frame in frames:
                if self._exchange.is_over:
                    return
                if frame is not None:
                    self._take(frame)
                elif self._settings.may_be_silent or not self._reader.is_live:
                    self._exchange.beat()
        finally:
            close = getattr(frames, "close", None)
            if close is not None:  # a generator: it releases its device
                close()

    def snapshot(self, *, full: bool) -> bytes | None:
        """The newest picture as JPEG; `None` before the first. From another thread.

        Args:
            full: all of the upright picture, rather than what the model is given.

        Raises:
            InputError: it is larger than JPEG can be.
        """
        newest = self._newest
        if newest is None:
            return None
        picture = newest.fitted
        if full:
            turn = self._settings
            picture = turn_picture(newest.taken, rotate=turn.rotate, flip=turn.flip)
        return encode_jpeg(picture, newest.channels)

    def _take(self, frame: Frame) -> None:
        self._exchange.skip(frame.missed)
        if self._reader.is_live:
            if not self._pace.passes(self._clock_ns()):
                self._exchange.thin()
                self._exchange.beat()
                return
            if self._is_behind(frame):
                self._exchange.skip()
                return
        else:
            while (wait_ns := self._pace.wait_ns(self._clock_ns())) and not self._exchange.is_over:
                self._sleep(min(wait_ns / 1e9, _WAIT_S))
                self._exchange.beat()
            self._pace.passes(self._clock_ns())
            frame = replace(frame, taken_at_ns=self._clock_ns())
        try:
            taken = frame.decode()
            fitted = self._fitted(taken)
        except InputError as error:
            self._refuse(frame, error)
            return
        self._refusals = 0
        self._made_at_ns = self._clock_ns()
        self._newest = _Newest(taken, fitted, frame.channels)
        self._give(frame, fitted)

    def _fitted(self, taken: Array) -> Array:
        settings = self._settings
        picture = taken
        if settings.region is not None:
            height, width = taken.shape[:2]
            is_turned = settings.rotate in (90, 270)
            upright_height, upright_width = (width, height) if is_turned else (height, width)
            box = box_of(settings.region, height=upright_height, width=upright_width)
            left, top, wide, high = box_as_taken(
                box, height=height, width=width, rotate=settings.rotate, flip=settings.flip
            )
            picture = taken[top : top + high, left : left + wide]
        return fit_picture(
            turn_picture(picture, rotate=settings.rotate, flip=settings.flip), self._rule
        )

    def _give(self, frame: Frame, fitted: Array) -> None:
        slot = self._exchange.slot()
        if slot is None:
            return
        copy_as_rgb(fitted, frame.channels, out=self._slots[slot])
        age_ns = self._clock_ns() - frame.taken_at_ns
        taken_at_ms = (self._wall_ns() - age_ns) // 1_000_000
        self._exchange.offer(
            Captured(slot, frame.taken_at_ns, taken_at_ms, frame.origin[:TEXT_LIMIT])
        )

    def _refuse(self, frame: Frame, error: InputError) -> None:
        reason = str(error) if frame.origin in str(error) else f"{frame.origin}: {error}"
        self._refusals += 1
        if self._reader.is_one_stream and self._refusals >= _REFUSALS_IN_A_ROW:
            raise InputError(f"{self._refusals} pictures in a row failed: {reason}") from error
        self._exchange.offer(Refused(reason[:TEXT_LIMIT]))

    def _is_behind(self, frame: Frame) -> bool:
        """Whether to let a picture go that has queued for long, so as to come to a newer one."""
        now_ns = self._clock_ns()
        is_due = now_ns - self._made_at_ns >= _AT_LEAST_NS
        return now_ns - frame.taken_at_ns > _LATE_NS and not is_due
