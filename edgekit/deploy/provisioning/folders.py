"""Writes folders of secrets: whole or not at all, and never over one that is there."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgekit.errors import InputError

_SECRET = (".key", "password", "passwords", "registry.json")


def check_new(folder: Path) -> None:
    """Refuses a folder that holds anything already.

    Raises:
        InputError: it does, or it is no folder.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"{folder}: is not a folder; name one that is not there yet")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: holds files already; name a folder that is not there yet")


class NewFolder:
    """A folder that is filled out of sight, and put in its place by `publish`."""

    def __init__(self, folder: Path, files: Mapping[str, bytes]) -> None:
        """Writes the files beside the folder's place.

        Raises:
            InputError: they cannot be written.
        """
        self._folder = folder
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
            try:
                for name, data in files.items():
                    _write(self._beside / name, data)
            except BaseException:
                self.discard()
                raise
        except OSError as error:
            raise InputError(f"{folder}: cannot be written: {error.strerror}") from error

    def publish(self) -> None:
        """Puts the folder in its place.

        Raises:
            InputError: something came there meanwhile.
        """
        try:
            self._beside.rename(self._folder)  # takes the place of an empty folder alone
            _sync(self._folder.parent)
        except OSError as error:
            self.discard()
            raise InputError(f"{self._folder}: cannot be written: {error.strerror}") from error

    def discard(self) -> None:
        """Forgets it."""
        shutil.rmtree(self._beside, ignore_errors=True)


def replace_file(path: Path, data: bytes) -> None:
    """Writes a file so that the old or the new one is there, whatever happens.

    Raises:
        InputError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        _write(beside, data, mode_of=path.name)
        beside.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def _write(path: Path, data: bytes, *, mode_of: str | None = None) -> None:
    mode = 0o600 if (mode_of or path.name).endswith(_SECRET) else 0o644
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
