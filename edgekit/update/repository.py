"""A signed repository as a board sees it: python-tuf decides what of it may be believed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from edgekit.errors import BundleError, ConfigError, Unavailable
from edgekit.update.files import FileSystem, disk_errors, make_folders, replace_durably
from edgekit.update.pace import Pace
from edgekit.update.release import Offer, offer_of
from edgekit.update.sources import Source
from edgekit.update.trusted_time import TrustedTime

if TYPE_CHECKING:
    from tuf.ngclient.updater import Updater

_ROOTS = "root_history"
_KEPT = ("timestamp.json", "snapshot.json", "targets.json")
_ROOT_LIMIT_BYTES = 512_000


def read_root(path: Path) -> bytes:
    """The trusted root that was installed with the board.

    Raises:
        ConfigError: it is not there.
    """
    try:
        return path.read_bytes()[: _ROOT_LIMIT_BYTES + 1]
    except OSError as error:
        reason = error.strerror or str(error)
        mistake = f"{path}: {reason}; copy the repository's metadata/1.root.json there"
        raise ConfigError("updates.root", [mistake]) from error


class SignedRepository:
    """Refreshes what a board knows of a repository, and lists what is signed there.

    python-tuf works on a copy of the metadata, in a scratch folder. What it has verified is then
    kept with every file on the disk before the next; any part of that is a state it starts from.
    """

    def __init__(
        self,
        folder: Path,
        *,
        root: bytes,
        source: Source,
        files: FileSystem,
        time: TrustedTime,
        pace: Pace,
    ) -> None:
        """Nothing is read yet.

        Args:
            folder: where verified metadata is kept.
            root: the root metadata that was installed with the board: the anchor of all trust.
            source: where the repository is.
            files: changes the disk.
            time: what signatures' ends are judged by.
            pace: what the source has to keep up.
        """
        self._folder = folder
        self._root = root
        self.source = source
        self._files = files
        self._time = time
        self._pace = pace

    def refresh(self) -> tuple[Offer, ...]:
        """Fetches newer metadata, and gives every release that is signed now.

        Raises:
            BundleError: the metadata must not be believed: a wrong key, an older version than
                this board saw, mixed versions, expired, damaged, or too long.
            Unavailable: the source cannot be reached or is too slow.
            InputError: the disk is full.
        """
        with disk_errors(self._folder), TemporaryDirectory(prefix="edgekit-") as name:
            scratch = Path(name)
            self._bring(scratch)
            try:
                self._update(scratch)
            finally:
                self._keep(scratch)
            return _offers((scratch / "targets.json").read_bytes())

    def _update(self, scratch: Path) -> None:
        from tuf.ngclient.config import UpdaterConfig
        from tuf.ngclient.updater import Updater

        from edgekit.update.fetcher import BASE, SourceFetcher

        fetcher = SourceFetcher(self.source, self._pace)
        with _translated(self.source.name, lambda: fetcher.failure, self._time):
            updater = Updater(
                str(scratch), BASE, fetcher=fetcher, config=UpdaterConfig(), bootstrap=self._root
            )
            now = self._time.now()
            _judge_at(updater, now)
            updater.refresh()
        self._time.trust(now)

    def _bring(self, scratch: Path) -> None:
        """Copies what is kept to where python-tuf works on it."""
        (scratch / _ROOTS).mkdir()
        for path in self._kept_files(self._folder):
            (scratch / path).write_bytes((self._folder / path).read_bytes())

    def _keep(self, scratch: Path) -> None:
        """Keeps what python-tuf verified, roots first."""
        for path in self._kept_files(scratch):
            data, place = (scratch / path).read_bytes(), self._folder / path
            if not place.is_file() or place.read_bytes() != data:
                make_folders(self._files, place.parent)
                replace_durably(self._files, place, data)

    def _kept_files(self, folder: Path) -> list[Path]:
        roots = sorted(folder.joinpath(_ROOTS).glob("*.root.json"))
        files = [*roots, *(folder / name for name in _KEPT)]
        return [path.relative_to(folder) for path in files if path.is_file()]


def _offers(data: bytes) -> tuple[Offer, ...]:
    from tuf.api.metadata import Metadata
    from tuf.api.metadata import Targets as SignedTargets  # type: ignore[attr-defined]

    targets = Metadata[SignedTargets].from_bytes(data).signed.targets
    found = []
    for path, target in targets.items():
        sha256 = target.hashes.get("sha256")
        custom = target.unrecognized_fields.get("custom")
        if sha256 is None:
            continue
        offer = offer_of(path, size_bytes=target.length, sha256=sha256, custom=custom)
        if offer is not None:
            found.append(offer)
    return tuple(found)


def _judge_at(updater: "Updater", moment: object) -> None:
    """Sets the time that ends of validity are compared with.

    python-tuf takes it from the clock and offers no argument for it; a board's clock may be
    behind. `tests/update/test_attacks.py` holds that this is heeded.
    """
    updater._trusted_set.reference_time = moment  # type: ignore[assignment]


@contextmanager
def _translated(
    where: str, failure: Callable[[], Exception | None], time: TrustedTime
) -> Iterator[None]:
    """Says in one line what python-tuf refuses, and what to do."""
    from tuf.api import exceptions as tuf

    try:
        yield
    except tuf.ExpiredMetadataError as error:
        raise BundleError(
            f"{where}: {_what(error)}; sign the repository again, or set this board's clock, which "
            f"says {time.now():%Y-%m-%d %H:%M} UTC"
        ) from error
    except tuf.UnsignedMetadataError as error:
        raise BundleError(
            f"{where}: {_what(error)}: not by the keys that this board trusts"
        ) from error
    except tuf.BadVersionNumberError as error:
        raise BundleError(
            f"{where}: is older than what this board has seen, or mixes versions: {_what(error)}"
        ) from error
    except tuf.LengthOrHashMismatchError as error:
        raise BundleError(
            f"{where}: the metadata is not what was signed: {_what(error)}"
        ) from error
    except tuf.RepositoryError as error:
        raise BundleError(f"{where}: the metadata is damaged: {_what(error)}") from error
    except tuf.DownloadHTTPError as error:
        raise Unavailable(f"{where}: no repository there, or not whole: {_what(error)}") from error
    except tuf.DownloadError as error:
        raise failure() or Unavailable(f"{where}: {_what(error)}") from error


def _what(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
