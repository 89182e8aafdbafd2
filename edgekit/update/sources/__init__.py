"""Where a repository's files come from: a folder, or any web server.

A source is trusted with nothing: what it gives is checked against signed metadata.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from edgekit.errors import EdgekitError, InputError


class NotThere(EdgekitError):
    """The source answered, and has no such file. Only for those who ask for what may be missing."""


class Source(Protocol):
    """Gives files by their path below the repository."""

    @property
    def name(self) -> str:
        """What people call it."""

    def read(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        """The bytes of a file from an offset on, in chunks as they arrive.

        Raises:
            NotThere: there is no such file.
            Unavailable: the source cannot be reached, or broke off.
        """


def open_source(address: str, *, ca: Path | None = None, timeout_s: float = 20.0) -> Source:
    """The source that an address names; nothing is opened yet.

    Args:
        address: `https://...`, `http://...`, `file:///...` or a folder's path.
        ca: a PEM file of authorities to trust in place of the system's.
        timeout_s: how long a server may be silent.

    Raises:
        InputError: the address is none of these.
    """
    from edgekit.update.sources.folder import FolderSource

    parts = urlsplit(address)
    if parts.scheme in ("http", "https") and parts.hostname:
        from edgekit.update.sources.http import HttpSource

        return HttpSource(address, ca=ca, timeout_s=timeout_s)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return FolderSource(Path(unquote(parts.path)))
    if "://" not in address and address:
        return FolderSource(Path(address))
    raise InputError(f"{address}: not a repository: give https://..., file:///... or a folder")
