"""The content-addressed store: bundles by the hash of the archive they came in."""

from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import suppress
from pathlib import Path

from edgekit.bundle import Bundle, open_bundle
from edgekit.errors import BundleError, EdgekitError, InputError
from edgekit.update.archive import Member, read_archive
from edgekit.update.files import FileSystem, disk_errors, make_folders, remove_tree
from edgekit.update.release import Offer

_UNFINISHED, _GONE = ".new-", ".gone-"
_CHUNK = 1 << 16
_SPARE_BYTES = 1 << 20
"""What must stay free beside a new bundle: states and metadata are small, but need some."""


class BundleStore:
    """Keeps unpacked bundles, each whole or not there.

    A bundle is unpacked under another name, every file and folder of it is on the disk, and then
    it gets its own name. To remove one, its name goes first.
    """

    def __init__(self, folder: Path, files: FileSystem, *, cap_bytes: int) -> None:
        """Nothing is read yet.

        Args:
            folder: where the bundles lie.
            files: changes the disk.
            cap_bytes: how much all bundles together may take.
        """
        self._folder = folder
        self._files = files
        self._cap_bytes = cap_bytes

    def place(self, sha256: str) -> Path:
        """Where a bundle lies, if it is there."""
        return self._folder / sha256

    def holds(self, sha256: str) -> bool:
        """Whether a bundle is there."""
        return self.place(sha256).is_dir()

    def open(self, sha256: str) -> Bundle:
        """A bundle, every file of it verified.

        Raises:
            BundleError: it is not there, or damaged.
        """
        try:
            return open_bundle(self.place(sha256))
        except OSError as error:  # a disk that does not read any more
            raise BundleError(f"{self.place(sha256)}: cannot be read: {error}") from error

    def admit(self, archive: Path, offer: Offer) -> Bundle:
        """Unpacks an archive whose hash was checked, verifies every file, and keeps it.

        Args:
            archive: the file.
            offer: what was signed of it.

        Raises:
            BundleError: it is not the bundle that was signed.
            InputError: the disk is full.
        """
        draft = self._folder / f"{_UNFINISHED}{offer.release.sha256}"
        final = self.place(offer.release.sha256)
        with disk_errors(self._folder):
            make_folders(self._files, self._folder)
            self._clear(draft)
            try:
                self._unpack(archive, draft, offer)
                _check(open_bundle(draft), offer)
            except (EdgekitError, OSError):
                with suppress(OSError):
                    self._clear(draft)
                raise
            if final.exists():  # damaged: a whole one is not admitted again
                self._drop(final)
            self._files.rename(draft, final)
            self._files.sync_folder(self._folder)
        return self.open(offer.release.sha256)

    def make_room(
        self, needed_bytes: int, *, in_use: Set[str] | None, elsewhere_bytes: int
    ) -> None:
        """Removes bundles that no slot uses, oldest first, until a new one fits.

        Args:
            needed_bytes: what the new bundle takes.
            in_use: hashes that must stay; `None` keeps everything.
            elsewhere_bytes: what else will be written to the same disk.

        Raises:
            InputError: it does not fit under the cap, or on the disk.
        """
        with disk_errors(self._folder):
            make_folders(self._files, self._folder)
            sizes = {path: _size(path) for path in self._bundles()}
            free = [path for path in sizes if in_use is not None and path.name not in in_use]
            free.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
            wanted = needed_bytes + elsewhere_bytes + _SPARE_BYTES
            while True:
                too_large = sum(sizes.values()) + needed_bytes > self._cap_bytes
                has = self._files.free_bytes(self._folder)
                if not too_large and has >= wanted:
                    return
                if not free:
                    break
                self._drop(free[0])
                del sizes[free.pop(0)]
        if too_large:
            raise InputError(
                f"{self._folder}: a bundle of {_mb(needed_bytes)} does not fit beside those in use "
                f"({_mb(sum(sizes.values()))}) under the cap of {_mb(self._cap_bytes)}; raise it"
            )
        raise InputError(
            f"{self._folder}: the disk is full: the update needs {_mb(wanted)}, {_mb(has)} are "
            "free; nothing was changed; free some space and try again"
        )

    def sweep(self) -> None:
        """Removes what a power cut left unfinished."""
        if self._folder.is_dir():
            with disk_errors(self._folder):
                for path in sorted(self._folder.iterdir()):
                    if path.name.startswith((_UNFINISHED, _GONE)):
                        remove_tree(self._files, path)

    def _bundles(self) -> list[Path]:
        return [path for path in self._folder.iterdir() if not path.name.startswith(".")]

    def _unpack(self, archive: Path, draft: Path, offer: Offer) -> None:
        self._files.make_folder(draft)
        folders = {draft}
        limit = offer.note.unpacked_bytes
        for member in read_archive(_chunks(archive), limit_bytes=limit, where=offer.release.label):
            path = draft / member.name
            try:
                for folder in reversed(path.relative_to(draft).parents[:-1]):
                    if draft / folder not in folders:
                        self._files.make_folder(draft / folder)
                        folders.add(draft / folder)
                self._write(path, member)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise BundleError(
                    f"{offer.release.label}: holds {member.name} both as a file and as a folder"
                ) from error
        for folder in sorted(folders, reverse=True):
            self._files.sync_folder(folder)

    def _write(self, path: Path, member: Member) -> None:
        self._files.write(path, member.content)
        self._files.sync(path)

    def _drop(self, path: Path) -> None:
        gone = path.with_name(f"{_GONE}{path.name}")
        self._clear(gone)
        self._files.rename(path, gone)
        self._files.sync_folder(self._folder)
        self._clear(gone)

    def _clear(self, path: Path) -> None:
        if path.exists():
            remove_tree(self._files, path)


def tidy(operation: Callable[[], object]) -> None:
    """Does what may fail without harm: what it leaves is swept up at the next start."""
    with suppress(InputError, OSError):
        operation()


def _check(bundle: Bundle, offer: Offer) -> None:
    manifest = bundle.manifest
    said = (manifest.name, manifest.version, bundle.digest)
    if said != (offer.note.name, offer.note.version, offer.note.digest):
        raise BundleError(
            f"{offer.release.label}: the archive holds {manifest.name} {manifest.version} "
            f"({bundle.short_hash}), which is not what was signed"
        )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _size(path: Path) -> int:
    files: Iterable[Path] = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files)


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
