"""Keeps pictures of what happened, as few and for as short a time as the owner says."""

import logging
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from edgekit.messaging.payloads import PictureKeep
from edgekit.messaging.refusals import Complaints

_log = logging.getLogger(__name__)
_NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z_[A-Za-z0-9._-]{1,64}_\d{1,19}\.(?:jpg|npy)", re.ASCII)
_NEW = ".new"
_DAY_S = 86_400.0
_LAST_MS = 253_402_300_799_999  # in the year 9999, the last that a name has room for

Why = Literal["event", "anomaly", "collected"]
"""A rule fired; an anomaly model called it anomalous; someone is collecting samples."""


@dataclass(frozen=True)
class PictureCounts:
    """What became of the pictures since the store was opened; `files` and `bytes` are of now.

    Attributes:
        kept: written.
        removed: taken away since they were too old, or others needed the room.
        skipped: could not be written: the disk is full, or they are larger than all the room.
    """

    files: int = 0
    bytes: int = 0
    kept: int = 0
    removed: int = 0
    skipped: int = 0


class PictureStore:
    """A folder of pictures with a limit in bytes and one in days; the oldest leave first.

    Files are named by time, pipeline and sequence, and are there whole or not at all. Only the
    daemon's user may read them. Other files in the folder are left alone and not counted. From any
    thread.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep: PictureKeep = "none",
        max_mb: float = 200.0,
        max_age_days: float = 14.0,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """Looks at what is there; the folder itself is made when the first picture comes.

        Args:
            folder: where the pictures are.
            keep: which are kept: those of anomalies, those and those of rules that fired, none.
            max_mb: the room for all of them, in millions of bytes.
            max_age_days: how old one may become.
            now_s: seconds since 1970, UTC.
        """
        self.keep: PictureKeep = keep
        self._folder = folder
        self._room_bytes = int(max_mb * 1e6)
        self._max_age_s = max_age_days * _DAY_S
        self._now_s = now_s
        self._lock = threading.Lock()
        self._complaints = Complaints(_log)
        self._counts = PictureCounts()
        self._files: deque[tuple[str, int]] = deque(self._found())
        self._tidy()

    @property
    def counts(self) -> PictureCounts:
        """The counts as they stand."""
        with self._lock:
            return self._counts_now()

    def wants(self, why: Why) -> bool:
        """Whether a picture would be kept; asked before the work of making one."""
        if why == "collected":
            return True
        return self.keep == "events" or (self.keep == "anomalies" and why == "anomaly")

    def add(
        self,
        data: bytes,
        *,
        why: Why,
        pipeline: str,
        sequence: int,
        taken_ms: int,
        suffix: Literal["jpg", "npy"] = "jpg",
    ) -> Path | None:
        """Keeps one picture, or window of sensor rows.

        Args:
            data: the file's content.
            why: what it is of.
            pipeline: whose it is.
            sequence: its number there.
            taken_ms: when it was taken, milliseconds since 1970, UTC.
            suffix: what the content is: a JPEG picture or a NumPy array.

        Returns:
            The file; none where it is not wanted or cannot be written, which is counted.
        """
        if not self.wants(why):
            return None
        name = _name(pipeline, sequence, taken_ms, suffix)
        with self._lock:
            if len(data) > self._room_bytes:
                self._skip(f"one of {len(data)} bytes is larger than [pictures] max_mb")
                return None
            self._make_room(len(data))
            try:
                path = self._write(name, data)
            except OSError as error:
                self._skip(f"cannot write to {self._folder}: {error.strerror}")
                return None
            self._forget(name)
            self._files.append((name, len(data)))
            self._counts = replace(self._counts, kept=self._counts.kept + 1)
            if len(self._files) > 1 and name < self._files[-2][0]:
                self._files = deque(sorted(self._files))
            return path

    def tidy(self) -> None:
        """Takes away what has become too old; to be called now and then, where nothing is added."""
        with self._lock:
            self._tidy()

    # What follows runs under the lock.

    def _tidy(self) -> None:
        self._make_room(0)

    def _make_room(self, size: int) -> None:
        try:
            oldest = _stamp(int((self._now_s() - self._max_age_s) * 1000))
        except (ValueError, OverflowError):
            oldest = ""
        total = sum(length for _, length in self._files)
        while self._files:
            name, length = self._files[0]
            if total + size <= self._room_bytes and name >= oldest:
                return
            try:
                (self._folder / name).unlink(missing_ok=True)
            except OSError as error:
                self._complain(f"cannot remove {self._folder / name}: {error.strerror}")
                return
            self._files.popleft()
            total -= length
            self._counts = replace(self._counts, removed=self._counts.removed + 1)

    def _write(self, name: str, data: bytes) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new, path = self._folder / (name + _NEW), self._folder / name
        try:
            new.touch(mode=0o600)
            with new.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            return new.replace(path)
        except OSError:
            new.unlink(missing_ok=True)
            raise

    def _forget(self, name: str) -> None:
        """Drops a name that has just been written over."""
        self._files = deque(file for file in self._files if file[0] != name)

    def _found(self) -> list[tuple[str, int]]:
        """What an earlier run left, oldest first; its half-written files are removed."""
        found = []
        try:
            for entry in os.scandir(self._folder):
                if entry.name.endswith(_NEW) and _NAME.fullmatch(entry.name.removesuffix(_NEW)):
                    Path(entry).unlink(missing_ok=True)
                elif _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    found.append((entry.name, entry.stat(follow_symlinks=False).st_size))
        except FileNotFoundError:
            pass
        except OSError as error:
            self._complain(f"cannot look at {self._folder}: {error.strerror}")
        return sorted(found)

    def _counts_now(self) -> PictureCounts:
        total = sum(length for _, length in self._files)
        return replace(self._counts, files=len(self._files), bytes=total)

    def _skip(self, reason: str) -> None:
        self._counts = replace(self._counts, skipped=self._counts.skipped + 1)
        self._complain(reason)

    def _complain(self, reason: str) -> None:
        self._complaints.make(reason, f"pictures: {reason}")


class Collecting:
    """Counts down the samples that someone asked to collect; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[str, int] = {}

    def order(self, pipeline: str, samples: int) -> None:
        """Asks for the next samples of a pipeline; an order before it is replaced, 0 ends it."""
        with self._lock:
            self._left[pipeline] = samples

    def left(self, pipeline: str) -> int:
        """How many are still to come."""
        with self._lock:
            return self._left.get(pipeline, 0)

    def take(self, pipeline: str) -> bool:
        """Whether the sample at hand is one of them; counts it where it is."""
        with self._lock:
            left = self._left.get(pipeline, 0)
            if left > 0:
                self._left[pipeline] = left - 1
            return left > 0


def _name(pipeline: str, sequence: int, taken_ms: int, suffix: str) -> str:
    clean = re.sub(r"[^A-Za-z0-9._-]", "-", pipeline)[:64] or "-"
    return f"{_stamp(taken_ms)}_{clean}_{max(0, sequence)}.{suffix}"


def _stamp(at_ms: int) -> str:
    """The time in a form that sorts: `20260101T000000.123Z`."""
    at_ms = min(max(0, at_ms), _LAST_MS)
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y%m%dT%H%M%S}.{at_ms % 1000:03d}Z"
