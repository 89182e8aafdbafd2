"""The life of a board that is recorded and cut: installs, commits, roll-backs, restarts, repair."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EdgekitError
from edgekit.update.answers import Limits
from edgekit.update.checks import golden_self_test
from edgekit.update.files import DiskFiles, FileSystem
from edgekit.update.sources.folder import FolderSource
from edgekit.update.updates import Updates

FIRST, SECOND, THIRD, BAD = "1.0.0", "1.1.0", "1.2.0", "1.3.0"
"""Versions of the bundle; the last fails its golden vectors."""


@dataclass(frozen=True)
class Place:
    """Where a scenario plays.

    Attributes:
        name: of the bundle.
        repository: a signed repository with all versions.
        root: its first root metadata.
        store_bytes: room for three bundles, so that the fourth finds garbage to collect.
    """

    name: str
    repository: Path
    root: Path
    store_bytes: int

    def updates(self, folder: Path, files: FileSystem | None = None) -> Updates:
        """The production code over a board's folder."""
        return Updates.open(
            folder / "updates",
            root=self.root,
            source=FolderSource(self.repository),
            self_test=golden_self_test,
            files=files or DiskFiles(),
            limits=Limits(store_bytes=self.store_bytes, max_restarts=1),
        )


Promise = frozenset[str]
"""The versions that a start may run."""


def life(
    place: Place, folder: Path, files: FileSystem, promise: Callable[[str, Promise], None]
) -> None:
    """Plays it. A board that committed the first version takes everything that updates do.

    Args:
        place: where.
        folder: the board's; it has committed the first version.
        files: changes the disk.
        promise: is told before each step what it is and what a start may run from then on. What
            a step promises when it returns is what the next one begins with.
    """
    name = place.name
    updates = place.updates(folder, files)

    promise("fetch", frozenset({FIRST}))
    updates.fetch(name, SECOND)
    promise("begin trial", frozenset({FIRST}))
    updates.begin_trial(name)
    promise("start on trial", frozenset({FIRST}))
    updates = place.updates(folder, files)
    updates.boot(name)
    promise("commit", frozenset({FIRST, SECOND}))
    updates.commit(name)
    promise("fetch the next", frozenset({SECOND}))
    updates.fetch(name, THIRD)
    promise("begin its trial", frozenset({SECOND}))
    updates.begin_trial(name)
    for count in range(2):
        promise(f"die on trial, {count + 1}", frozenset({SECOND}))
        updates = place.updates(folder, files)
        updates.boot(name)
    promise("fetch it again", frozenset({SECOND}))
    updates.fetch(name, THIRD, again=True)
    promise("try it again", frozenset({SECOND}))
    updates.begin_trial(name)
    promise("roll back", frozenset({SECOND}))
    updates.roll_back(name, "its scores differ")
    promise("fetch a bad one", frozenset({SECOND}))
    _refused(lambda: updates.fetch(name, BAD))
    promise("go back", frozenset({FIRST, SECOND}))
    updates.go_back(name, "an operator wished it")
    promise("fetch once more", frozenset({FIRST}))
    updates.fetch(name, THIRD)
    promise("try once more", frozenset({FIRST}))
    updates.begin_trial(name)
    promise("commit the last", frozenset({FIRST, THIRD}))
    updates.commit(name)
    promise("end", frozenset({THIRD}))


def recover(place: Place, folder: Path, files: FileSystem | None = None) -> tuple[str, str]:
    """Starts after a power cut, and takes the next update.

    Returns:
        The version that the start ran, and the one that runs in the end.

    Raises:
        EdgekitError: no bundle may run, or the update does not work any more.
    """
    updates = place.updates(folder, files)
    ran = updates.boot(place.name).bundle.manifest.version
    if updates.phase(place.name) == "trial":
        updates.commit(place.name)
    if updates.fetch(place.name, THIRD, again=True) is not None:
        updates.begin_trial(place.name)
        updates.commit(place.name)
    again = place.updates(folder, files)
    return ran, again.boot(place.name).bundle.manifest.version


def _refused(step: Callable[[], object]) -> None:
    try:
        step()
    except EdgekitError:
        return
    raise AssertionError("what fails its golden vectors was let through")
