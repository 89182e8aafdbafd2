"""Writes a file so that whenever power fails, the old one or the new one is there."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO


def write_durably(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Fills a file beside the path, and renames it when it is on the disk.

    Args:
        path: the file to make or replace; its folder is there.
        write: is called once with the open file.
    """
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
