"""The unit files and their like, as a board gets them: in the wheel, or in the source tree."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from edgekit.deploy.ssh.layout import Layout
from edgekit.errors import InputError

_UNITS = "/etc/systemd/system"
_PLACES = {
    "edgekitd.service": f"{_UNITS}/edgekitd.service",
    "edgekit-reboot.service": f"{_UNITS}/edgekit-reboot.service",
    "sysusers.d/edgekit.conf": "/usr/lib/sysusers.d/edgekit.conf",
    "tmpfiles.d/edgekit.conf": "/usr/lib/tmpfiles.d/edgekit.conf",
}
_BACKOFF = {"drop-ins/backoff.conf": f"{_UNITS}/edgekitd.service.d/backoff.conf"}
_BACKOFF_SINCE = 254


def system_files(layout: Layout, *, systemd: int) -> Mapping[str, bytes]:
    """What to write where on a board.

    Args:
        layout: where the environment lies.
        systemd: the version of the board's.

    Raises:
        InputError: this edgekit was built without its unit files.
    """
    places = _PLACES | (_BACKOFF if systemd >= _BACKOFF_SINCE else {})
    found: dict[str, bytes] = {}
    for name, place in places.items():
        data = _read(name)
        found[place] = data.replace(b"/opt/edgekit/", layout.venv.encode() + b"/")
    return found


def all_places() -> list[str]:
    """Every file that an installation may have written."""
    return [*_PLACES.values(), *_BACKOFF.values()]


def _read(name: str) -> bytes:
    package = files("edgekit")
    try:
        return package.joinpath("systemd", *name.split("/")).read_bytes()
    except FileNotFoundError:
        pass
    try:
        return (Path(str(package)).parent / "systemd" / name).read_bytes()
    except OSError as error:
        raise InputError(
            f"systemd/{name}: is not in this edgekit; install it from its wheel"
        ) from error
