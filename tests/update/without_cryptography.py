"""A board that flips bytes of what it reads: `test_pure_python.py` runs it in its own process."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from edgekit.errors import BundleError
from edgekit.update.sources.folder import FolderSource
from edgekit.update.updates import Updates
from tests.update.start import START


class Flipping(FolderSource):
    """Flips a byte of the timestamp."""

    at: int | None = None

    def read(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        data = b"".join(super().read(path, start=start))
        if path.endswith("timestamp.json") and self.at is not None:
            data = data[: self.at] + bytes([data[self.at] ^ 1]) + data[self.at + 1 :]
        yield data


def main(folder: Path, step: int) -> int:
    """Flips every so many bytes, each on its own; how many flips were refused: all.

    Args:
        folder: holds `root.json` and `repository/`.
        step: from one flipped byte to the next.
    """
    source = Flipping(folder / "repository")
    updates = Updates.open(
        folder / "board",
        root=folder / "root.json",
        source=source,
        self_test=lambda bundle: None,
        clock_s=lambda: (START + timedelta(hours=1)).timestamp(),
    )
    places = range(0, (folder / "repository/metadata/timestamp.json").stat().st_size, step)
    for source.at in places:
        try:
            updates.fetch("mean")
        except BundleError:
            continue
        raise AssertionError(f"a flip of byte {source.at} went through")
    source.at = None
    assert updates.fetch("mean") is not None
    return len(places)
