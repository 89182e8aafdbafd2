"""Writes a file so that whenever power fails, the old one or the new one is there."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from edgekit.errors import InputError


def write_durably(
    path: Path, write: Callable[[IO[bytes]], object], *, secret: bool = False
) -> None:
    """Fills a file beside the path, and renames it when it is on the disk.

    Args:
        path: the file to make or replace; its folder is there.
        write: is called once with the open file.
        secret: nobody else may read it, at no time.

    Raises:
        InputError: the file cannot be written; the old one is still there.
    """
    beside = path.with_name(path.name + ".new")
    try:
        if secret:
            beside.unlink(missing_ok=True)
            beside.touch(mode=0o600, exist_ok=False)
        with beside.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
