"""Removes from a board's copy of a repository what nobody needs any more."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from edgekit.daemon.deploy_control.messages import Parcel

_KEPT = re.compile(r"metadata/(\d+\.root|timestamp)\.json")


def tidy(repository: Path, parcel: Parcel, *, bundle: str) -> None:
    """Removes old metadata, half files, and archives of one bundle that the parcel does not hold.

    Archives of other bundles stay: a board repairs a damaged bundle from them.

    Args:
        repository: the board's copy.
        parcel: what was pushed last.
        bundle: the name of the bundle.
    """
    files = [str(p.relative_to(repository)) for p in repository.rglob("*") if p.is_file()]
    for path in superfluous(files, keep={note.path for note in parcel.files}, bundle=bundle):
        with suppress(OSError):
            (repository / path).unlink()


def superfluous(files: Iterable[str], *, keep: set[str], bundle: str) -> list[str]:
    """Which files may go: pure."""
    return [
        path
        for path in files
        if path not in keep
        and not _KEPT.fullmatch(path)
        and path.startswith(("metadata/", "incoming/", f"targets/{bundle}/"))
    ]
