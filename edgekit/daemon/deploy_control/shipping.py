"""Unpacks an archive that was pushed as the bundle that settings name and that is missing."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgekit.bundle import open_bundle
from edgekit.daemon.deploy_control.messages import Shipping
from edgekit.daemon.deploy_control.receiving import hash_of
from edgekit.errors import BundleError, InputError
from edgekit.update.archive import read_archive
from edgekit.update.files import DiskFiles, disk_errors, make_folders

_CHUNK = 1 << 16


def place_of(name: str, missing: Sequence[str]) -> Path:
    """Which of the bundles that settings name and that are missing this one is to be: pure.

    Raises:
        InputError: none is missing, or it cannot be told which is meant.
    """
    named = [path for path in missing if Path(path).name.split("-")[0] == name]
    meant = named if len(named) == 1 else list(missing)
    if len(meant) == 1:
        return Path(meant[0])
    if not meant:
        raise InputError(f"{name}: the board's settings name no bundle that is missing")
    raise InputError(
        f"{name}: the board's settings name {len(meant)} bundles that are missing "
        f"({', '.join(meant)}); call the folder of this one {name}"
    )


def ship(shipping: Shipping, *, repository: Path, folder: Path) -> None:
    """Puts the bundle in its place: whole, or not at all.

    Args:
        shipping: which archive, and what is in it.
        repository: the board's copy.
        folder: where the bundle is to be; nothing is there.

    Raises:
        BundleError: the archive is not what was sent, or another bundle.
        InputError: the disk is full or cannot be written.
    """
    archive = repository / shipping.archive.path
    beside = folder.with_name(folder.name + ".new")
    with disk_errors(folder):
        if hash_of(archive) != shipping.archive.sha256:
            raise BundleError(f"{archive}: is not what was sent; deploy again")
        shutil.rmtree(beside, ignore_errors=True)
        make_folders(DiskFiles(), beside)
        try:
            _unpack(archive, shipping.unpacked_bytes, beside)
            manifest = open_bundle(beside).manifest
            if (manifest.name, manifest.version) != (shipping.name, shipping.version):
                raise BundleError(f"{archive}: holds {manifest.name} {manifest.version}")
            beside.rename(folder)
            DiskFiles().sync_folder(folder.parent)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise


def _unpack(archive: Path, limit_bytes: int, folder: Path) -> None:
    disk = DiskFiles()
    for member in read_archive(_chunks(archive), limit_bytes=limit_bytes, where=str(archive)):
        path = folder / member.name
        make_folders(disk, path.parent)
        disk.write(path, member.content)
        disk.sync(path)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
