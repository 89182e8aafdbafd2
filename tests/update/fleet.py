"""A signed repository, in memory or in a folder, and a board that reads it: all real but time."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner

from edgekit.bundle import Bundle, archive_bytes
from edgekit.deploy.keys import ROLES, Role
from edgekit.deploy.metadata import DAYS, RepositoryMetadata
from edgekit.update.answers import Limits
from edgekit.update.checks import golden_self_test
from edgekit.update.files import FileSystem
from edgekit.update.release import TargetNote, stored_path, target_path
from edgekit.update.sources import NotThere, Source
from edgekit.update.updates import Updates
from tests.update.start import START
from tools.crash_points.making import NAME, tiny_bundle

__all__ = ["NAME", "START", "Board", "MemoryRepository", "committed", "running", "tiny_bundle"]


@dataclass
class MemoryRepository:
    """A repository whose files are a dictionary, so that an attacker can do with them what he will.

    It is signed by the code that signs a folder; only keys are not encrypted.
    """

    now: datetime = START
    days: Mapping[Role, int] = field(default_factory=lambda: DAYS)
    name: str = "memory"
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.signers = {role: [CryptoSigner.generate_ed25519()] for role in ROLES}
        self.all = {each.public_key.keyid: each for some in self.signers.values() for each in some}
        self.documents = RepositoryMetadata.new(
            {role: [each.public_key for each in some] for role, some in self.signers.items()},
            thresholds={},
            days=self.days,
            now=self.now,
        )
        self.publish()

    @property
    def root(self) -> bytes:
        """The first root, which boards are installed with."""
        return self.files["metadata/1.root.json"]

    def publish(self) -> None:
        """Signs what changed."""
        for file in self.documents.signed(self.all.get):
            self.files[f"metadata/{file.name}"] = file.data

    def add(self, bundle: Bundle, *, floor: str = "0.0.0") -> None:
        """Lists a bundle."""
        manifest = bundle.manifest
        data = archive_bytes(bundle)
        sha256 = hashlib.sha256(data).hexdigest()
        note = TargetNote(
            name=manifest.name,
            version=manifest.version,
            floor=floor,
            digest=bundle.digest,
            unpacked_bytes=sum(p.stat().st_size for p in bundle.path.rglob("*") if p.is_file()),
        )
        path = stored_path(target_path(manifest.name, manifest.version), sha256)
        self.files[f"targets/{path}"] = data
        self.documents.add(note, size_bytes=len(data), sha256=sha256, now=self.now)
        self.publish()

    def renew(self, role: Role = "timestamp") -> None:
        """Signs a role once more, now."""
        self.documents.renew(role, now=self.now)
        self.publish()

    def rotate(self, role: Role) -> CryptoSigner:
        """Puts a new key in the place of a role's; gives the old one."""
        old, new = self.signers[role][0], CryptoSigner.generate_ed25519()
        self.signers[role] = [new]
        self.all[new.public_key.keyid] = new
        self.documents.rotate(role, old.public_key.keyid, new.public_key, now=self.now)
        self.publish()
        return old

    def pass_days(self, days: float) -> None:
        """Lets time pass for whoever signs."""
        self.now += timedelta(days=days)

    def read(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        """What a board gets."""
        self.asked.append((path, start))
        if path not in self.files:
            raise NotThere(path)
        yield self.files[path][start:]


@dataclass
class Board:
    """A board with a folder of its own, whose clock and source a test holds."""

    folder: Path
    source: Source
    root: bytes
    clock: Callable[[], datetime] = lambda: START
    files: FileSystem | None = None
    limits: Limits = field(default_factory=Limits)
    self_test: Callable[[Bundle], object] = golden_self_test

    def open(self) -> Updates:
        """What the daemon has after a start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        root = self.folder / "root.json"
        root.write_bytes(self.root)
        return Updates.open(
            self.folder / "updates",
            root=root,
            source=self.source,
            self_test=self.self_test,
            files=self.files,
            limits=self.limits,
            clock_s=lambda: self.clock().timestamp(),
        )


def committed(updates: Updates, version: str | None = None) -> None:
    """Takes an update through to its commit."""
    assert updates.fetch(NAME, version) is not None
    updates.begin_trial(NAME)
    updates.commit(NAME)


def running(updates: Updates, shipped: Path | None = None) -> str:
    """The version that a start runs."""
    return updates.boot(NAME, shipped).bundle.manifest.version
