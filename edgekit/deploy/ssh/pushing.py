"""Which of a repository's files a board needs for one release, in the order of publishing."""

import hashlib
import json
import re
from pathlib import Path

from edgekit.daemon.deploy_control.messages import FileNote, Parcel, Shipping
from edgekit.errors import InputError
from edgekit.update.release import Offer


def parcel_of(folder: Path, offer: Offer) -> Parcel:
    """The archive, and the metadata that leads to it: what others name comes first, roots last.

    Raises:
        InputError: the folder is no repository, or a file cannot be read.
    """
    metadata = folder / "metadata"
    try:
        timestamp = json.loads((metadata / "timestamp.json").read_bytes())
        number = timestamp["signed"]["meta"]["snapshot.json"]["version"]
        snapshot = f"{number}.snapshot.json"
        listed = json.loads((metadata / snapshot).read_bytes())
        targets = f"{listed['signed']['meta']['targets.json']['version']}.targets.json"
        names = [targets, snapshot, "timestamp.json", *_roots(metadata)]
        paths = [f"targets/{offer.path}", *(f"metadata/{name}" for name in names)]
        return Parcel(files=tuple(_note(folder, path) for path in paths))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: the repository cannot be read: {error}") from error


def shipping_of(offer: Offer, parcel: Parcel) -> Shipping:
    """What tells a board to unpack the archive of a parcel as the bundle that it starts with."""
    return Shipping(
        name=offer.release.name,
        version=offer.release.version,
        archive=parcel.files[0],
        unpacked_bytes=offer.note.unpacked_bytes,
    )


def _roots(metadata: Path) -> list[str]:
    found = [re.fullmatch(r"(\d+)\.root\.json", path.name) for path in metadata.iterdir()]
    return [f"{number}.root.json" for number in sorted(int(each[1]) for each in found if each)]


def _note(folder: Path, path: str) -> FileNote:
    data = (folder / path).read_bytes()
    return FileNote(path=path, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
