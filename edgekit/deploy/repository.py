"""A signed repository as a plain folder, `metadata/` and `targets/`, for any server or stick."""

import fcntl
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edgekit.bundle import Bundle, archive_bytes
from edgekit.deploy.keys import ROLES, KeyRing, Passphrases, Role, make_key
from edgekit.deploy.metadata import DAYS, Changed, RepositoryMetadata
from edgekit.errors import InputError
from edgekit.update.choosing import floor_of
from edgekit.update.files import DiskFiles, FileSystem, disk_errors, make_folders, replace_durably
from edgekit.update.release import Offer, Release, TargetNote, stored_path, target_path, version_key

_ROOT = re.compile(r"(\d+)\.root\.json")
_OLD = re.compile(r"(\d+)\.(?:snapshot|targets)\.json")
_KEPT_VERSIONS = 5
"""Older ones than this many are removed: nobody is still half-way through reading those."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Added:
    """What became of a bundle that was added.

    Attributes:
        release: which.
        is_new: whether it was not there before.
        floor: the lowest version of its name that may be installed now.
    """

    release: Release
    is_new: bool
    floor: str


class Repository:
    """A repository's folder. Each change is prepared beside and renamed in, file by file.

    Files that others name come first and the timestamp after them, so that whoever reads in the
    middle of a change gets the repository as it was, whole.
    """

    def __init__(
        self,
        folder: Path,
        *,
        files: FileSystem | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        """Nothing is read yet.

        Args:
            folder: holds `metadata/` and `targets/`.
            files: changes the disk.
            now: the time that signatures are counted from.
        """
        self.folder = folder
        self._files = files or DiskFiles()
        self._now = now

    def create(
        self,
        keys: KeyRing,
        *,
        thresholds: Mapping[Role, int] | None = None,
        days: Mapping[Role, int] | None = None,
    ) -> Path:
        """Makes an empty repository that trusts all keys of the ring.

        Returns:
            The root metadata to install on every board.

        Raises:
            InputError: there is one already, a key is missing, or the disk cannot be written.
        """
        if self._roots():
            raise InputError(
                f"{self.folder}: is a repository already; add to it, or choose another"
            )
        with self._locked():
            documents = RepositoryMetadata.new(
                {role: [key.public for key in keys.keys(role)] for role in ROLES},
                thresholds=thresholds or {},
                days={**DAYS, **(days or {})},
                now=self._now(),
            )
            self._publish(documents.signed(keys.signer))
        return self.folder / "metadata" / "1.root.json"

    def add(
        self, bundles: Iterable[Bundle], keys: KeyRing, *, floor: str | None = None
    ) -> list[Added]:
        """Packs bundles, lists them and signs the list.

        Args:
            bundles: verified ones.
            keys: with those of targets, snapshot and timestamp.
            floor: raises the lowest version of their names that boards may still install.

        Raises:
            InputError: the version is there with other content, is below the floor, or a key is
                missing.
        """
        with self._locked():
            documents = self._documents()
            added = [self._add(bundle, documents, floor) for bundle in bundles]
            self._publish(documents.signed(keys.signer))
        return added

    def sign(self, keys: KeyRing, roles: Sequence[Role] = (), *, force: bool = False) -> list[Role]:
        """Renews signatures: of snapshot and timestamp where half their time has passed.

        Args:
            keys: with those of the roles.
            roles: which; by default the online ones.
            force: renews them however long they still count.

        Returns:
            The roles that were asked for and renewed.

        Raises:
            InputError: a key is missing, or the folder is no repository.
        """
        asked = tuple(roles) or ("snapshot", "timestamp")
        with self._locked():
            documents, now = self._documents(), self._now()
            due = [
                role
                for role in ROLES
                if role in asked
                and (force or roles or documents.expires(role) - now < _half(documents, role))
            ]
            for role in due:
                documents.renew(role, now=now)
            self._publish(documents.signed(keys.signer))
        return due

    def rotate(
        self,
        role: Role,
        keys: KeyRing,
        *,
        into: Path,
        passphrases: Passphrases,
        old: str | None = None,
    ) -> tuple[str, str]:
        """Puts a new key in the place of one that is lost, stolen or old.

        Args:
            role: whose key.
            keys: with enough of the root's old keys, and those of the documents to sign again.
            into: the folder of keys that gets the new one.
            passphrases: what it is encrypted with.
            old: the id of the key to revoke, or how it begins; by default the role's only one.

        Returns:
            The ids of the old and the new key.

        Raises:
            InputError: it is not clear which key is meant, or a key is missing.
        """
        with self._locked():
            documents = self._documents()
            revoked = _meant(role, documents.keyids(role), old)
            made = make_key(into, role, passphrase=passphrases(role))
            try:
                documents.rotate(role, revoked, made.public, now=self._now())
                fresh = KeyRing([into], passphrases)
                self._publish(
                    documents.signed(lambda each: fresh.signer(each) or keys.signer(each))
                )
            except BaseException:
                made.path.unlink(missing_ok=True)
                made.path.with_suffix(".pub").unlink(missing_ok=True)
                raise
        return revoked, made.public.keyid

    def offers(self) -> tuple[Offer, ...]:
        """What is signed.

        Raises:
            InputError: the folder is no repository.
        """
        return self._documents().offers()

    def ends(self) -> dict[Role, datetime]:
        """When each role's signature ends.

        Raises:
            InputError: the folder is no repository.
        """
        documents = self._documents()
        return {role: documents.expires(role) for role in ROLES}

    def _add(self, bundle: Bundle, documents: RepositoryMetadata, floor: str | None) -> Added:
        manifest = bundle.manifest
        offers = documents.offers()
        stands = floor_of(manifest.name, offers)
        lowest = max(stands, floor or stands, key=version_key)
        label = f"{manifest.name} {manifest.version}"
        if version_key(manifest.version) < version_key(lowest):
            raise InputError(
                f"{label}: is below the floor {lowest}, so that no board would take it"
            )
        note = TargetNote(
            name=manifest.name,
            version=manifest.version,
            floor=lowest,
            digest=bundle.digest,
            unpacked_bytes=_unpacked(bundle),
        )
        for offer in offers:
            if offer.release.label != label:
                continue
            if offer.note.digest != bundle.digest:
                raise InputError(
                    f"{label}: is in the repository with other content; give it a new version"
                )
            if lowest != offer.note.floor:
                documents.add(
                    note,
                    size_bytes=offer.size_bytes,
                    sha256=offer.release.sha256,
                    now=self._now(),
                )
            return Added(offer.release, False, lowest)
        data = archive_bytes(bundle)
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.folder / "targets" / stored_path(target_path(*label.split()), sha256)
        with disk_errors(path):
            make_folders(self._files, path.parent)
            replace_durably(self._files, path, data)
        documents.add(note, size_bytes=len(data), sha256=sha256, now=self._now())
        release = Release(name=manifest.name, version=manifest.version, sha256=sha256)
        return Added(release, True, lowest)

    def _publish(self, changed: Sequence[Changed]) -> None:
        metadata = self.folder / "metadata"
        with disk_errors(metadata):
            make_folders(self._files, metadata)
            for file in changed:
                replace_durably(self._files, metadata / file.name, file.data)
            self._prune(metadata)

    def _prune(self, metadata: Path) -> None:
        for kind in ("snapshot", "targets"):
            versions = [
                (int(found[1]), path)
                for path in metadata.glob(f"*.{kind}.json")
                if (found := _OLD.fullmatch(path.name))
            ]
            for _, path in sorted(versions)[:-_KEPT_VERSIONS]:
                self._files.remove(path)

    def _documents(self) -> RepositoryMetadata:
        roots = self._roots()
        if not roots:
            raise InputError(f"{self.folder}: is no repository; make one: edgekit repository init")
        return RepositoryMetadata.read(
            lambda name: (self.folder / "metadata" / name).read_bytes(), root_version=max(roots)
        )

    def _roots(self) -> list[int]:
        found = [_ROOT.fullmatch(path.name) for path in self.folder.glob("metadata/*.root.json")]
        return [int(each[1]) for each in found if each]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps a nightly `sign` and an `add` apart."""
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield


def _half(documents: RepositoryMetadata, role: Role) -> timedelta:
    return timedelta(days=documents.days(role)) / 2


def _unpacked(bundle: Bundle) -> int:
    manifest = (bundle.path / "manifest.json").stat().st_size
    return manifest + sum(entry.size_bytes for entry in bundle.manifest.files.values())


def _meant(role: Role, trusted: Sequence[str], old: str | None) -> str:
    meant = [keyid for keyid in trusted if old is None or keyid.startswith(old)]
    if len(meant) == 1:
        return meant[0]
    ids = ", ".join(keyid[:12] for keyid in trusted)
    if old is None:
        raise InputError(f"{role}: has {len(trusted)} keys ({ids}); say which with --revoke")
    raise InputError(f"{role}: {old} is not one of its keys; they are {ids}")
