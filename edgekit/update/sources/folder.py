"""A repository in a folder: a USB stick, a mounted share, or what a deploy pushed over SSH."""

from collections.abc import Iterator
from pathlib import Path

from edgekit.errors import Unavailable
from edgekit.update.sources import NotThere

_CHUNK = 1 << 16


class FolderSource:
    """Reads a repository's files from a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        """The folder's path."""
        return str(self._folder)

    def read(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        """The bytes of a file from an offset on.

        Raises:
            NotThere: there is no such file.
            Unavailable: the folder is not there, or cannot be read.
        """
        if not self._folder.is_dir():
            raise Unavailable(f"{self._folder}: no such folder; plug in or mount what holds it")
        place = self._folder / path
        if ".." in place.relative_to(self._folder).parts:
            raise NotThere(f"{place}: leaves the repository")
        try:
            with place.open("rb") as file:
                file.seek(start)
                while chunk := file.read(_CHUNK):
                    yield chunk
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotThere(f"{place}: no such file") from error
        except OSError as error:
            raise Unavailable(f"{place}: cannot be read: {error.strerror or error}") from error
