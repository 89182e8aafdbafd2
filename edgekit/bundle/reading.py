"""Opens a bundle and lets nothing through that its manifest does not vouch for."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekit.bundle.artifact import MAIN, Artifact, artifacts_of
from edgekit.bundle.manifest import EngineName, FileEntry, Manifest, decode_manifest
from edgekit.errors import BundleError

MANIFEST = "manifest.json"
REPORT = "report.html"
_MANIFEST_LIMIT_BYTES = 4 << 20


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk.

    Attributes:
        path: its folder.
        manifest: what it says of itself.
        digest: SHA-256 of its manifest, which names every other file's hash: the bundle's identity.
    """

    path: Path
    manifest: Manifest
    digest: str

    @property
    def short_hash(self) -> str:
        """The first twelve hexadecimal digits of the digest."""
        return self.digest[:12]

    def model_path(self, engine: EngineName) -> Path:
        """Where the file for an engine lies.

        Raises:
            BundleError: the bundle has none for it.
        """
        name = self.manifest.models.get(engine)
        if name is None:
            raise BundleError(f"{self.path}: has no model for {engine}")
        return self.path / name

    def artifacts(self) -> tuple[Artifact, ...]:
        """Every model file: those of `models` in the manifest's order, then the variants."""
        return artifacts_of(self.path, self.manifest)

    def artifact(self, engine: EngineName | None = None, variant: str = MAIN) -> Artifact:
        """The file of a variant that an engine runs; by default the first that is named.

        Raises:
            BundleError: the bundle has none.
        """
        for artifact in self.artifacts():
            if artifact.variant == variant and engine in (None, artifact.engine):
                return artifact
        wanted = "model" if variant == MAIN else f"variant {variant}"
        has = ", ".join(artifact.label for artifact in self.artifacts())
        raise BundleError(
            f"{self.path}: has no {wanted} for {engine or 'any engine'}; it has {has}"
        )

    def labels(self) -> tuple[str, ...]:
        """One label a class, in class order; empty where the bundle names none."""
        if self.manifest.labels is None:
            return ()
        data = (self.path / self.manifest.labels).read_bytes()
        try:
            return tuple(data.decode().splitlines())
        except UnicodeDecodeError as error:
            raise BundleError(f"{self.path / self.manifest.labels}: not UTF-8: {error}") from error

    def golden(self) -> dict[str, npt.NDArray[np.generic]]:
        """The golden vectors: `inputs`, and the outputs by `fp32`, engine or variant and engine."""
        if self.manifest.golden is None:
            return {}
        path = self.path / self.manifest.golden
        try:
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except Exception as error:  # numpy and zipfile raise half a dozen kinds for bad bytes
            raise BundleError(f"{path}: not readable golden vectors: {error}") from error


def open_bundle(path: Path) -> Bundle:
    """Reads a bundle's manifest and checks every file against it.

    Raises:
        BundleError: not a bundle, or a file is missing, extra, changed, or outside the folder.
    """
    manifest_path = path / MANIFEST
    if not path.is_dir():
        raise BundleError(
            f"{path}: not a bundle: {'not a folder' if path.exists() else 'no such folder'}"
        )
    if not manifest_path.is_file():
        raise BundleError(f"{path}: not a bundle: it has no {MANIFEST}")
    if manifest_path.stat().st_size > _MANIFEST_LIMIT_BYTES:
        raise BundleError(f"{manifest_path}: larger than {_MANIFEST_LIMIT_BYTES} bytes")
    data = manifest_path.read_bytes()
    manifest = decode_manifest(data, where=str(manifest_path))
    present = set(_files_below(path)) - {MANIFEST, REPORT}
    for name in sorted(present - manifest.files.keys()):
        raise BundleError(f"{path}: the file {name} is not in the manifest; remove it")
    for name, entry in manifest.files.items():
        if name not in present:
            raise BundleError(f"{path}: the file {name} is missing; copy the bundle again")
        _check_file(path / name, entry)
    return Bundle(path=path, manifest=manifest, digest=hashlib.sha256(data).hexdigest())


def file_entry(path: Path) -> FileEntry:
    """The manifest entry of a file as it is now."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(sha256=digest, size_bytes=path.stat().st_size)


def _check_file(path: Path, entry: FileEntry) -> None:
    actual = file_entry(path)
    if actual.size_bytes != entry.size_bytes:
        raise BundleError(
            f"{path}: is {actual.size_bytes} bytes, the manifest says {entry.size_bytes}; "
            "copy the bundle again"
        )
    if actual.sha256 != entry.sha256:
        raise BundleError(f"{path}: its SHA-256 is not the manifest's; copy the bundle again")


def _files_below(folder: Path) -> Iterator[str]:
    for entry in sorted(folder.rglob("*")):
        name = entry.relative_to(folder).as_posix()
        if entry.is_symlink():
            raise BundleError(f"{folder}: {name} is a link; a bundle holds plain files")
        if entry.is_file():
            yield name
        elif not entry.is_dir():
            raise BundleError(f"{folder}: {name} is neither a file nor a folder")
