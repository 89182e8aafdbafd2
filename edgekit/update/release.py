"""A release: one version of one bundle, as a repository signs it and a slot remembers it."""

from typing import Annotated, Any

import msgspec

from edgekit.bundle.manifest import Name, Sha256, Version
from edgekit.errors import BundleError

NOTE = "edgekit"
"""The key of a TUF target's custom metadata under which edgekit's own lies."""


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a signed or remembered document: unknown fields are mistakes."""


class Release(_Record, frozen=True, kw_only=True):
    """One version of one bundle.

    Attributes:
        name: the bundle's name.
        version: its version.
        sha256: of the archive it travels as, which is where the store keeps it.
    """

    name: Name
    version: Version
    sha256: Sha256

    @property
    def label(self) -> str:
        """What people call it: `squeezenet 1.2.0`."""
        return f"{self.name} {self.version}"


class TargetNote(msgspec.Struct, frozen=True, kw_only=True):
    """What the targets key signs of an archive besides its length and hash.

    Fields that a later edgekit adds are passed over, so that an older board still reads them.
    """

    name: Name
    version: Version
    floor: Version
    """The lowest version of this name that may still be installed anywhere."""
    digest: Sha256
    """SHA-256 of the bundle's manifest."""
    unpacked_bytes: Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A release that a repository offers.

    Attributes:
        release: which.
        path: of the archive below the repository's `targets/`.
        size_bytes: of the archive.
        note: what was signed with it.
    """

    release: Release
    path: str
    size_bytes: int
    note: TargetNote


def version_key(version: str) -> tuple[int, ...]:
    """What versions are ordered by: `1.10.0` is above `1.9.0`."""
    return tuple(int(part) for part in version.split("."))


def target_path(name: str, version: str) -> str:
    """What a release's target is called in the repository's signed list."""
    return f"{name}/{name}-{version}.tar.xz"


def stored_path(target: str, sha256: str) -> str:
    """Where a target's file lies below `targets/`: consistent snapshots prefix the hash."""
    folder, _, name = target.rpartition("/")
    return f"{folder}/{sha256}.{name}" if folder else f"{sha256}.{name}"


def offer_of(target: str, *, size_bytes: int, sha256: str, custom: Any) -> Offer | None:
    """Reads one entry of the signed list; `None` for a target that is not edgekit's.

    Raises:
        BundleError: it is edgekit's and contradicts itself.
    """
    note = custom.get(NOTE) if isinstance(custom, dict) else None
    if note is None:
        return None
    try:
        read = msgspec.convert(note, TargetNote)
        release = msgspec.convert(
            {"name": read.name, "version": read.version, "sha256": sha256}, Release
        )
    except msgspec.ValidationError as error:
        raise BundleError(f"the signed target {target} cannot be read: {error}") from error
    if target != target_path(read.name, read.version):
        raise BundleError(f"the signed target {target} says that it is {release.label}")
    return Offer(
        release=release, path=stored_path(target, sha256), size_bytes=size_bytes, note=read
    )
