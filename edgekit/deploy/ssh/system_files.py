"""The unit files and their like, as a board gets them: in the wheel, or in the source tree."""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

from edgekit.deploy.ssh.layout import Layout
from edgekit.errors import InputError

_UNITS = "/etc/systemd/system"
_BACKOFF = "drop-ins/backoff.conf"
_BACKOFF_SINCE = 254


def system_files(layout: Layout, *, systemd: int) -> Mapping[str, bytes]:
    """What to write where on a board.

    Args:
        layout: where the code lies.
        systemd: the version of the board's.

    Raises:
        InputError: this edgekit was built without its unit files.
    """
    prefix = layout.prefix.encode()
    return {
        place: re.sub(rb"/opt/edgekit(?=[/\s])", prefix, path.read_bytes())
        for path, place in _places()
        if systemd >= _BACKOFF_SINCE or not place.endswith("/backoff.conf")
    }


def all_places() -> list[str]:
    """Every file that an installation may have written."""
    return [place for _, place in _places()]


def _places() -> Iterator[tuple[Path, str]]:
    folder = _folder()
    for path in sorted(folder.glob("*.service")):
        yield path, f"{_UNITS}/{path.name}"
    for kind in ("sysusers.d", "tmpfiles.d"):
        for path in sorted((folder / kind).glob("*.conf")):
            yield path, f"/usr/lib/{kind}/{path.name}"
    yield folder / _BACKOFF, f"{_UNITS}/edgekitd.service.d/backoff.conf"


def _folder() -> Path:
    package = Path(str(files("edgekit")))
    for folder in (package / "systemd", package.parent / "systemd"):
        if (folder / "edgekitd.service").is_file():
            return folder
    raise InputError("this edgekit has no unit files with it; install it from its wheel")
