"""What the update core does to the disk: one small protocol, so that tests can cut the power."""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from edgekit.errors import InputError

_DRAFT = ".new"


class FileSystem(Protocol):
    """Changes files. Reading is not part of it: what is read needs no record.

    Nothing but `sync` and `sync_folder` promises that a change outlives a power cut.
    """

    def write(self, path: Path, chunks: Iterable[bytes], *, append: bool = False) -> None:
        """Makes or replaces the content of a file, or writes behind what it holds."""

    def sync(self, path: Path) -> None:
        """Waits until a file's content is on the disk."""

    def sync_folder(self, path: Path) -> None:
        """Waits until the names in a folder are on the disk."""

    def rename(self, old: Path, new: Path) -> None:
        """Gives a file or folder another name in the same folder; a file at `new` gives way."""

    def make_folder(self, path: Path) -> None:
        """Makes a folder, whose parent is there."""

    def remove(self, path: Path) -> None:
        """Removes a file, or a folder that is empty."""

    def free_bytes(self, path: Path) -> int:
        """How much a program may still write to the disk that a folder lies on."""


class DiskFiles:
    """The file system as it is."""

    def write(self, path: Path, chunks: Iterable[bytes], *, append: bool = False) -> None:
        """Makes or replaces the content of a file, or writes behind what it holds."""
        with path.open("ab" if append else "wb", buffering=0) as file:
            for chunk in chunks:
                _write_all(file.fileno(), chunk)

    def sync(self, path: Path) -> None:
        """Waits until a file's content is on the disk."""
        _fsync(path)

    def sync_folder(self, path: Path) -> None:
        """Waits until the names in a folder are on the disk."""
        _fsync(path)

    def rename(self, old: Path, new: Path) -> None:
        """Gives a file or folder another name in the same folder; a file at `new` gives way."""
        old.replace(new)

    def make_folder(self, path: Path) -> None:
        """Makes a folder, whose parent is there."""
        path.mkdir()

    def remove(self, path: Path) -> None:
        """Removes a file, or a folder that is empty."""
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()

    def free_bytes(self, path: Path) -> int:
        """How much a program may still write to the disk that a folder lies on."""
        return shutil.disk_usage(path).free


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def replace_durably(files: FileSystem, path: Path, data: bytes) -> None:
    """Writes a file so that whenever power fails, the old one or the new one is there.

    Raises:
        OSError: it cannot be written; the old one is still there.
    """
    draft = path.with_name(path.name + _DRAFT)
    files.write(draft, [data])
    files.sync(draft)
    files.rename(draft, path)
    files.sync_folder(path.parent)


def make_folders(files: FileSystem, folder: Path) -> None:
    """Makes a folder and those above it that are missing, each on the disk before the next."""
    if folder.is_dir():
        return
    make_folders(files, folder.parent)
    files.make_folder(folder)
    files.sync_folder(folder.parent)


def remove_tree(files: FileSystem, path: Path) -> None:
    """Removes a file, or a folder and all in it; links are removed, not followed."""
    if path.is_dir() and not path.is_symlink():
        for entry in sorted(path.iterdir()):
            remove_tree(files, entry)
    files.remove(path)


@contextmanager
def disk_errors(where: Path) -> Iterator[None]:
    """Turns what the operating system says of the disk into one line.

    Raises:
        InputError: the disk is full, or cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"{where}: the disk is full; nothing was changed; free some space and try again"
            ) from error
        raise InputError(
            f"{where}: cannot be written: {error.strerror or error}; nothing was changed"
        ) from error
