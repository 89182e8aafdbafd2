"""The repository that a deploy pushes: one that was given, or a private one for a single board."""

import hashlib
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from edgekit.bundle import Bundle
from edgekit.deploy.keys import KeyRing, Passphrases, Role, make_keys
from edgekit.deploy.repository import Repository
from edgekit.errors import BundleError, InputError
from edgekit.update.files import DiskFiles
from edgekit.update.pace import Pace
from edgekit.update.release import Offer
from edgekit.update.repository import SignedRepository, read_root
from edgekit.update.sources.folder import FolderSource
from edgekit.update.trusted_time import TrustedTime

_RENEW_WITHIN = timedelta(days=30)


@dataclass(frozen=True)
class Signer:
    """A repository on this workstation, and what signs it.

    Attributes:
        folder: of the repository.
        keys: that open with `passphrases`; none where the bundle is signed already.
        passphrases: of the keys.
        is_private: whether edgekit made it, for one board.
    """

    folder: Path
    keys: Sequence[Path]
    passphrases: Passphrases
    is_private: bool = False

    @property
    def root(self) -> Path:
        """What boards are to trust."""
        return self.folder / "metadata" / "1.root.json"

    def for_board(self, board: str, trusted: str | None) -> "Signer":
        """The same, if a board trusts it.

        Raises:
            InputError: the board trusts another repository, or the folder is none.
        """
        try:
            own = hashlib.sha256(self.root.read_bytes()).hexdigest()
        except OSError as error:
            raise InputError(
                f"{self.folder}: is no repository; make one: edgekit repository init"
            ) from error
        if trusted not in (None, own):
            raise InputError(
                f"{board}: trusts another repository than {self.folder}; deploy from that one, or "
                "have the board trust this one by hand (docs/deploy.md)"
            )
        return self

    def offer(self, bundle: Bundle) -> Offer:
        """Signs a bundle where it is not signed yet; gives what stands in the repository.

        Raises:
            InputError: a key is missing, or the version is there with other content.
            BundleError: the repository was tampered with, or has expired.
        """
        if self.is_private:
            self._renew()
        name, version = bundle.manifest.name, bundle.manifest.version
        offer = _find(self._verified(), name, version)
        if offer is None:
            if not self.keys:
                raise InputError(
                    f"{name} {version}: is not signed in {self.folder}; give its keys with --keys"
                )
            ring = KeyRing(self.keys, self.passphrases)
            Repository(self.folder).add([bundle], ring)
            offer = _find(self._verified(), name, version)
            assert offer is not None
        if offer.note.digest != bundle.digest:
            raise InputError(
                f"{name} {version}: is in {self.folder} with other content; give it a new version"
            )
        self._check_archive(offer)
        return offer

    def _verified(self) -> tuple[Offer, ...]:
        """What a board would believe of it."""
        if not self.root.is_file():
            raise InputError(f"{self.folder}: is no repository; make one: edgekit repository init")
        with TemporaryDirectory(prefix="ek-") as scratch:
            board = Path(scratch)
            disk = DiskFiles()
            return SignedRepository(
                board / "metadata",
                root=read_root(self.root),
                source=FolderSource(self.folder),
                files=disk,
                time=TrustedTime(board / "time.json", disk),
                pace=Pace(),
            ).refresh()

    def _check_archive(self, offer: Offer) -> None:
        path = self.folder / "targets" / offer.path
        try:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error
        if sha256 != offer.release.sha256:
            raise BundleError(
                f"{path}: is not what was signed; the repository is damaged or was tampered with"
            )

    def _renew(self) -> None:
        """What nobody does by night for a private repository."""
        repository = Repository(self.folder)
        now = datetime.now(UTC)
        old: list[Role] = [r for r, end in repository.ends().items() if end - now < _RENEW_WITHIN]
        long_lived = [role for role in old if role in ("root", "targets")]
        ring = KeyRing(self.keys, self.passphrases)
        if long_lived:
            repository.sign(ring, long_lived)
        repository.sign(ring)


def private_signer(board: str, *, trusted: str | None, home: Path | None = None) -> Signer:
    """The private repository of a board: the one that it trusts, else one that is made for it.

    Args:
        board: how the board was called.
        trusted: the SHA-256 of the root that it trusts; `None` where it trusts none yet.
        home: where private repositories lie; by default `boards` in the user's state folder.

    Raises:
        InputError: the board trusts another repository, or the folder cannot be written.
    """
    home = home or _home()
    if trusted is not None:
        for root in sorted(home.glob("*/repository/metadata/1.root.json")):
            if hashlib.sha256(root.read_bytes()).hexdigest() == trusted:
                return _private(root.parents[2])
        raise InputError(
            f"{board}: trusts a repository that is not among those in {home}; "
            "name it with --repository, on the workstation that has it"
        )
    folder = home / re.sub(r"[^a-z0-9.-]+", "-", board.lower().rpartition("@")[2]).strip(".-")
    if not (folder / "repository" / "metadata" / "1.root.json").is_file():
        _make_private(folder)
    return _private(folder)


def _make_private(folder: Path) -> None:
    phrase = folder / "passphrase"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not phrase.is_file():
            phrase.touch(mode=0o600)
            phrase.write_text(secrets.token_urlsafe(24) + "\n", encoding="ascii")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error
    if not (folder / "keys").is_dir():
        make_keys(folder / "keys", {}, passphrases=lambda role: _phrase(folder))
    Repository(folder / "repository").create(
        KeyRing([folder / "keys"], lambda role: _phrase(folder))
    )


def _private(folder: Path) -> Signer:
    return Signer(
        folder / "repository", [folder / "keys"], lambda role: _phrase(folder), is_private=True
    )


def _phrase(folder: Path) -> bytes:
    path = folder / "passphrase"
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _home(environ: Mapping[str, str] = os.environ) -> Path:
    given = environ.get("XDG_STATE_HOME")
    return (Path(given) if given else Path.home() / ".local" / "state") / "edgekit" / "boards"


def _find(offers: Sequence[Offer], name: str, version: str) -> Offer | None:
    for offer in offers:
        if (offer.release.name, offer.release.version) == (name, version):
            return offer
    return None
