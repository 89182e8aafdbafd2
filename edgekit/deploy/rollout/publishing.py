"""Puts a rollout's bundle into the repository first, and looks at it with a board's eyes."""

from pathlib import Path
from tempfile import TemporaryDirectory

from edgekit.bundle import Bundle
from edgekit.deploy.keys import KeyRing
from edgekit.deploy.repository import Repository
from edgekit.errors import InputError
from edgekit.update.choosing import choose
from edgekit.update.files import DiskFiles
from edgekit.update.pace import Pace
from edgekit.update.release import Offer
from edgekit.update.repository import SignedRepository, read_root
from edgekit.update.sources.folder import FolderSource
from edgekit.update.trusted_time import TrustedTime


def publish(folder: Path, bundle: Bundle, keys: KeyRing | None) -> Offer:
    """Sees to it that boards may install a bundle from a repository.

    Args:
        folder: of the repository.
        bundle: verified.
        keys: sign the list where the bundle is not on it yet.

    Raises:
        InputError: the folder is no repository, or keys are needed and not there.
        BundleError: boards would refuse the repository or the release.
    """
    manifest = bundle.manifest
    label = f"{manifest.name} {manifest.version}"
    offered = [offer for offer in Repository(folder).offers() if offer.release.label == label]
    if not offered or offered[0].note.digest != bundle.digest:
        if keys is None:
            raise InputError(
                f"{folder}: does not offer this {label}; give --keys to publish it, or run "
                "`edgekit repository add`"
            )
        Repository(folder).add([bundle], keys)
    return offer_for_boards(folder, manifest.name, manifest.version)


def offer_for_boards(folder: Path, name: str, version: str) -> Offer:
    """The release as a new board would choose it, all signatures checked.

    Raises:
        InputError: the folder is no repository, or offers no such release.
        BundleError: a board would refuse it: unsigned, expired, damaged, or below the floor.
        Unavailable: it is not whole.
    """
    with TemporaryDirectory(prefix="edgekit-") as scratch:
        signed = SignedRepository(
            Path(scratch) / "metadata",
            root=read_root(folder / "metadata" / "1.root.json"),
            source=FolderSource(folder),
            files=DiskFiles(),
            time=TrustedTime(Path(scratch) / "time.json", DiskFiles()),
            pace=Pace(),
        )
        offer = choose(name, signed.refresh(), wanted=version)
    assert offer is not None  # a board without anything installed is never up to date
    if not (folder / "targets" / offer.path).is_file():
        raise InputError(f"{folder}: {offer.path} is signed, but not in targets/; copy it there")
    return offer
