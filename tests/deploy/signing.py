"""Keys and a repository as a workstation has them, made once."""

import shutil
from pathlib import Path

from edgekit.deploy.keys import KeyRing, Role

WORDS = b"correct horse"


def passphrase(role: Role) -> bytes:
    """The passphrase of every key here."""
    return WORDS


def copy_of(keys: Path, folder: Path) -> Path:
    """A folder of keys for one test alone."""
    return Path(shutil.copytree(keys, folder))


def ring(*folders: Path) -> KeyRing:
    """What opens keys."""
    return KeyRing(folders, passphrase)
