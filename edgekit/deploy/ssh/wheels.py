"""Which wheels of a folder a board can install: pure, by the names of the files (PEP 427)."""

import re
from collections.abc import Iterable
from pathlib import Path

from edgekit.deploy.ssh.probing import Python
from edgekit.errors import InputError

_WHEEL = re.compile(
    r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>[^-]+)(-\d[^-]*)?"
    r"-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<platform>[^-]+)\.whl"
)


def wheels_for(folder: Path, *, python: Python, machine: str) -> list[Path]:
    """The wheels of a folder that a board can install, edgekit's own among them.

    Raises:
        InputError: there is no such folder, or no wheel of edgekit in it.
    """
    if not folder.is_dir():
        raise InputError(f"--wheels {folder}: no such folder")
    found = sorted(
        path for path in folder.glob("*.whl") if fits(path.name, python=python, machine=machine)
    )
    if not any(_name(path.name) == "edgekit" for path in found):
        raise InputError(
            f"--wheels {folder}: holds no wheel of edgekit; fill it with `pip download edgekit "
            f"--only-binary :all: --dest {folder}`, or `pip wheel` where it was built here"
        )
    return found


def fits(name: str, *, python: Python, machine: str) -> bool:
    """Whether an interpreter on a machine with glibc can install the wheel."""
    wheel = _WHEEL.fullmatch(name)
    if wheel is None:
        return False
    return _is_for(wheel["python"].split("."), wheel["abi"].split("."), python.version) and any(
        platform == "any"
        or (platform.endswith(f"_{machine}") and re.match(r"(many)?linux", platform) is not None)
        for platform in wheel["platform"].split(".")
    )


def _is_for(tags: Iterable[str], abis: Iterable[str], version: tuple[int, int]) -> bool:
    own = f"cp{version[0]}{version[1]}"
    for tag in tags:
        if tag == f"py{version[0]}":
            return True
        if tag == own and set(abis) & {own, "abi3", "none"}:
            return True
        named = re.fullmatch(r"(cp|py)3(\d+)", tag)
        if named is None or int(named[2]) > version[1]:
            continue
        if named[1] == "py" or "abi3" in abis:
            return True
    return False


def _name(wheel: str) -> str:
    return wheel.partition("-")[0].lower().replace("_", "-")
