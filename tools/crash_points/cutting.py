"""Records a board's life, and starts it again from every disk that a power cut may leave."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import EdgekitError
from tools.crash_points.disk import Change, CrashDisk, Outcome, RecordingFiles, lay_out
from tools.crash_points.scenario import THIRD, Place, Promise, life, recover


@dataclass(frozen=True)
class Cut:
    """A disk that a power cut may leave.

    Attributes:
        point: how many changes were made before it.
        step: what the board was doing.
        allowed: the versions that a start may run.
        left: what is on the disk.
    """

    point: int
    step: str
    allowed: Promise
    left: Outcome


@dataclass
class Record:
    """A life that was recorded.

    Attributes:
        start: the folder it began from.
        changes: what was done to the disk.
        promises: from which change on which versions may be run, and in which step.
    """

    start: Path
    changes: list[Change] = field(default_factory=list)
    promises: list[tuple[int, str, Promise]] = field(default_factory=list)

    def cuts(self) -> Iterator[Cut]:
        """Every disk at every point; the same disk under the same promise only once."""
        disk = CrashDisk(self.start)
        seen: set[bytes] = set()
        for point in range(len(self.changes) + 1):
            if point:
                disk.apply(self.changes[point - 1])
            _, step, allowed = [each for each in self.promises if each[0] <= point][-1]
            for left in disk.outcomes():
                key = hashlib.sha256(repr((sorted(allowed), _digest(left))).encode()).digest()
                if key not in seen:
                    seen.add(key)
                    yield Cut(point, step, allowed, left)


def _digest(left: Outcome) -> bytes:
    whole = hashlib.sha256()
    for name, node in sorted(left.items()):
        is_file = isinstance(node, bytes)
        part = hashlib.sha256(node).digest() if isinstance(node, bytes) else _digest(node)
        whole.update(f"{len(name)} {name} {is_file}".encode() + part)
    return whole.digest()


def recorded(place: Place, start: Path, play: Path) -> Record:
    """Plays the life in a copy of a board's folder.

    Args:
        place: where it plays.
        start: a board that has committed the first version.
        play: the copy to make.
    """
    shutil.copytree(start, play)
    files = RecordingFiles(play)
    record = Record(start, files.changes)
    life(
        place,
        play,
        files,
        lambda step, allowed: record.promises.append((len(files.changes), step, allowed)),
    )
    return record


def survives(place: Place, cut: Cut, scratch: Path) -> str | None:
    """Why a board does not come up as promised, or `None`.

    It has to run one of the versions that are allowed, which passed its golden vectors just now,
    and then has to take the next update to its end.
    """
    folder = Path(tempfile.mkdtemp(dir=scratch)) / "board"
    try:
        lay_out(cut.left, folder)
        ran, ended = recover(place, folder)
    except EdgekitError as error:
        return f"{type(error).__name__}: {error}"
    finally:
        shutil.rmtree(folder.parent, ignore_errors=True)
    if ran not in cut.allowed:
        return f"runs {ran}, which is none of {', '.join(sorted(cut.allowed))}"
    return None if ended == THIRD else f"ends with {ended}"


def twice(place: Place, cut: Cut, scratch: Path) -> Iterator[Cut]:
    """The disks that a second cut leaves while the board recovers from the first."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        lay_out(cut.left, folder / "start")
        shutil.copytree(folder / "start", folder / "play")
        files = RecordingFiles(folder / "play")
        recover(place, folder / "play", files)
        promises = [(0, f"{cut.step}, recovering", cut.allowed | {THIRD})]
        yield from Record(folder / "start", files.changes, promises).cuts()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
