"""Takes a repository's files from a stream, resumably: what is there already is not sent."""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from edgekit.daemon.deploy_control.messages import (
    Arrived,
    FileNote,
    Offsets,
    Parcel,
    decode_line,
    encode_line,
)
from edgekit.errors import InputError, Unavailable
from edgekit.update.files import DiskFiles, disk_errors, make_folders

_CHUNK = 1 << 16
_MARGIN_BYTES = 1 << 20


def receive(folder: Path, stream: IO[bytes], answer: IO[bytes]) -> None:
    """Brings a board's copy of a repository up to what a parcel says.

    The parcel comes as a line; the answer says how much of each file is there; then come the bytes
    that are missing. Each file is put in its place whole, on the disk, and in the parcel's order,
    so that every moment shows a repository that a board can read.

    Args:
        folder: the copy; made where it is missing.
        stream: what the workstation sends.
        answer: what it reads.

    Raises:
        InputError: the disk is full or cannot be written, or another deploy is under way.
        Unavailable: the stream broke off, or came damaged.
    """
    parcel = decode_line(stream.readline(), Parcel)
    with _locked(folder):
        have = [_have(folder, note) for note in parcel.files]
        _need_room(folder, sum(n.size_bytes - h for n, h in zip(parcel.files, have, strict=True)))
        _say(answer, encode_line(Offsets(have=tuple(have))))
        for note, start in zip(parcel.files, have, strict=True):
            if start < note.size_bytes or not (folder / note.path).is_file():
                _take(folder, note, start, stream)
            _say(answer, encode_line(Arrived(arrived=note.path)))


def hash_of(path: Path) -> str:
    """The SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _have(folder: Path, note: FileNote) -> int:
    """How many bytes of a file need not be sent."""
    path = folder / note.path
    if path.is_file() and path.stat().st_size == note.size_bytes and hash_of(path) == note.sha256:
        return note.size_bytes
    part = _part(folder, note)
    return min(part.stat().st_size, note.size_bytes) if part.is_file() else 0


def _part(folder: Path, note: FileNote) -> Path:
    return folder / "incoming" / f"{note.sha256}.part"


def _take(folder: Path, note: FileNote, start: int, stream: IO[bytes]) -> None:
    path, part = folder / note.path, _part(folder, note)
    with disk_errors(path):
        for parent in (path.parent, part.parent):
            make_folders(DiskFiles(), parent)
        with part.open("r+b" if part.exists() else "wb", buffering=0) as file:
            file.truncate(start)
            file.seek(start)
            left = note.size_bytes - start
            while left:
                chunk = stream.read(min(_CHUNK, left))
                if not chunk:
                    raise Unavailable(f"{note.path}: broke off {left} bytes before its end")
                _write_all(file, chunk)
                left -= len(chunk)
            os.fsync(file.fileno())
        if hash_of(part) != note.sha256:
            part.unlink()
            raise Unavailable(f"{note.path}: came damaged; it is sent again with the next attempt")
        part.replace(path)
        DiskFiles().sync_folder(path.parent)


def _write_all(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _need_room(folder: Path, missing_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if missing_bytes and missing_bytes + _MARGIN_BYTES > free:
        raise InputError(
            f"{folder}: the board's disk is full: the update needs "
            f"{(missing_bytes + _MARGIN_BYTES) / 1e6:.1f} MB with some to spare, "
            f"{free / 1e6:.1f} MB are free; nothing was changed; free some space and try again"
        )


def _say(answer: IO[bytes], line: bytes) -> None:
    answer.write(line)
    answer.flush()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps two deploys to one board apart."""
    with disk_errors(folder):
        make_folders(DiskFiles(), folder)
        lock = (folder / ".lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise Unavailable("another deploy to this board is under way; wait for it") from error
        yield
