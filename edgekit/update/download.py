"""Fetches an archive into a file that a later attempt goes on with."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from edgekit.errors import BundleError, Unavailable
from edgekit.update.files import FileSystem, disk_errors, make_folders
from edgekit.update.pace import Pace
from edgekit.update.release import Offer
from edgekit.update.sources import NotThere, Source

_PART = ".part"
_CHUNK = 1 << 16


class Downloads:
    """The folder of archives that are on their way, each by the hash that it must have."""

    def __init__(self, folder: Path, files: FileSystem, *, pace: Pace) -> None:
        self._folder = folder
        self._files = files
        self._pace = pace

    def missing_bytes(self, offer: Offer) -> int:
        """How much of an archive is still to come."""
        return max(0, offer.size_bytes - _size(self._part(offer)))

    def fetch(self, source: Source, offer: Offer, *, arrived: Callable[[int], None]) -> Path:
        """Fetches what is missing of an archive, and checks its hash.

        What a power cut tore is found by the hash, and fetched again from the start, once.

        Args:
            source: where it is.
            offer: which.
            arrived: is told how many bytes are there.

        Returns:
            The file, whole. It stays until `forget`.

        Raises:
            BundleError: its bytes are not those that were signed.
            Unavailable: it is not there, or did not arrive; the next attempt goes on from here.
            InputError: the disk is full.
        """
        part = self._part(offer)
        with disk_errors(self._folder):
            make_folders(self._files, self._folder)
            self._forget_others(part)
            had = _size(part)
            self._go_on(source, offer, part, arrived)
            if had and not _is_whole(part, offer):
                self._files.remove(part)
                self._go_on(source, offer, part, arrived)
            if not _is_whole(part, offer):
                self._files.remove(part)
                raise BundleError(
                    f"{source.name}: {offer.path} is not what was signed; "
                    "the repository is damaged or was tampered with"
                )
        return part

    def forget(self, offer: Offer) -> None:
        """Removes an archive that was unpacked."""
        with disk_errors(self._folder):
            if self._part(offer).exists():
                self._files.remove(self._part(offer))

    def _go_on(
        self, source: Source, offer: Offer, part: Path, arrived: Callable[[int], None]
    ) -> None:
        have = _size(part)
        if have > offer.size_bytes:
            self._files.remove(part)
            have = 0
        if have == offer.size_bytes:
            return
        where = f"{source.name}: {offer.path}"
        chunks = self._pace.held(
            source.read(f"targets/{offer.path}", start=have),
            limit_bytes=offer.size_bytes - have,
            where=where,
        )
        try:
            self._files.write(part, _told(chunks, have, arrived), append=True)
        except NotThere as error:
            raise Unavailable(f"{where}: signed, but not there; upload targets/ whole") from error
        self._files.sync(part)
        if _size(part) < offer.size_bytes:
            raise Unavailable(f"{where}: broke off; the next attempt goes on from there")

    def _forget_others(self, part: Path) -> None:
        for path in sorted(self._folder.iterdir()):
            if path != part:
                self._files.remove(path)

    def _part(self, offer: Offer) -> Path:
        return self._folder / f"{offer.release.sha256}{_PART}"


def _told(chunks: Iterator[bytes], have: int, arrived: Callable[[int], None]) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        have += len(chunk)
        arrived(have)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _is_whole(part: Path, offer: Offer) -> bool:
    if _size(part) != offer.size_bytes:
        return False
    with part.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == offer.release.sha256
