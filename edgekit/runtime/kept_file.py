"""Writes what may be lost but must never be half there: caches and remembered choices."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile


def replace_whole(draft: Path, place: Path) -> None:
    """Puts a finished file into its place, so that a power cut leaves the old or the new one.

    Raises:
        OSError: the disk is full or cannot be written; the draft is still there.
    """
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(place)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_whole(place: Path, data: bytes) -> None:
    """Writes a file beside its place, and moves it there when it is on the disk.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=place.parent, prefix=DRAFT, delete=False) as file:
        draft = Path(file.name)
    try:
        draft.write_bytes(data)
        replace_whole(draft, place)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


DRAFT = ".draft."
"""What the names of unfinished files begin with."""


def remove_beyond(files: Iterable[Path], *, cap_bytes: int, keep: Path) -> None:
    """Removes the files that were used longest ago until the rest takes at most `cap_bytes`.

    Args:
        files: those to choose from; what cannot be removed stays.
        cap_bytes: what may be left.
        keep: is never removed.
    """
    known = []
    for path in files:
        with suppress(OSError):
            status = path.stat()
            known.append((path == keep, status.st_mtime_ns, path, status.st_size))
    left = sum(size for *_, size in known)
    for is_kept, _, path, size in sorted(known):
        if left <= cap_bytes or is_kept:
            return
        with suppress(OSError):
            path.unlink()
            left -= size
