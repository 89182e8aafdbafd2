"""Ed25519 keys that sign a repository, each in an encrypted file beside its public half."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from securesystemslib.signer import (  # type: ignore[attr-defined]  # its own way to export them
    CryptoSigner,
    Key,
    SSlibKey,
)

from edgekit.errors import InputError
from edgekit.update.files import DiskFiles, replace_durably

Role = Literal["root", "targets", "snapshot", "timestamp"]
ROLES: tuple[Role, ...] = get_args(Role)
OFFLINE: tuple[Role, ...] = ("root", "targets")
"""Roles whose keys are needed only to publish or to rotate, and lie on no server."""

Passphrases = Callable[[Role], bytes]
"""The passphrase of a role's keys."""

_MIN_PASSPHRASE = 8
_NAME = re.compile(r"(root|targets|snapshot|timestamp)-(\d+)")


@dataclass(frozen=True)
class KeyFile:
    """A key in a folder.

    Attributes:
        role: what it signs.
        number: which of the role's keys; every rotation takes the next.
        path: the encrypted private half.
        public: the public half, as TUF metadata has it.
    """

    role: Role
    number: int
    path: Path
    public: Key

    @property
    def name(self) -> str:
        """What people call it: `root-1`."""
        return self.path.stem


def make_key(folder: Path, role: Role, *, passphrase: bytes) -> KeyFile:
    """Makes the next key of a role.

    Args:
        folder: of all keys; the file lies in `offline` or `online` below it.
        role: what it will sign.
        passphrase: what it is encrypted with: at least 8 bytes.

    Raises:
        InputError: the passphrase is too short, or the folder cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
    )

    if len(passphrase) < _MIN_PASSPHRASE:
        raise InputError(f"the passphrase of the {role} key needs at least {_MIN_PASSPHRASE} bytes")
    private = Ed25519PrivateKey.generate()
    public = SSlibKey.from_crypto(private.public_key())
    below = folder / ("offline" if role in OFFLINE else "online")
    taken = [key.number for key in find_keys([folder]) if key.role == role]
    number = max(taken, default=0) + 1
    path = below / f"{role}-{number}.key"
    encrypted = private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase)
    )
    try:
        below.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(encrypted)
        DiskFiles().sync(path)
        document = {"keyid": public.keyid, **public.to_dict()}
        text = json.dumps(document, indent=2, sort_keys=True) + "\n"
        replace_durably(DiskFiles(), path.with_suffix(".pub"), text.encode())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
    return KeyFile(role, number, path, public)


def make_keys(
    folder: Path, counts: Mapping[Role, int], *, passphrases: Passphrases
) -> list[KeyFile]:
    """Makes the first keys of every role.

    Args:
        folder: where they are to lie.
        counts: how many of each role.
        passphrases: what they are encrypted with.

    Raises:
        InputError: there are keys already, or the folder cannot be written.
    """
    if find_keys([folder]):
        raise InputError(f"{folder}: holds keys already; rotate them, or choose another folder")
    return [
        make_key(folder, role, passphrase=passphrases(role))
        for role in ROLES
        for _ in range(counts.get(role, 1))
    ]


def find_keys(folders: Iterable[Path]) -> list[KeyFile]:
    """The keys in some folders and below them, by role and number; nothing is decrypted.

    Raises:
        InputError: a public half cannot be read.
    """
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*.pub")):
            named = _NAME.fullmatch(path.stem)
            if named is None:
                continue
            try:
                document = json.loads(path.read_bytes())
                public = Key.from_dict(document.pop("keyid"), document)
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise InputError(f"{path}: no public key that can be read: {error}") from error
            role = next(each for each in ROLES if each == named[1])
            found.append(KeyFile(role, int(named[2]), path.with_suffix(".key"), public))
    return sorted(found, key=lambda key: (ROLES.index(key.role), key.number))


class KeyRing:
    """Signers by key id, each decrypted when it is first asked for."""

    def __init__(self, folders: Sequence[Path], passphrases: Passphrases) -> None:
        """Looks what keys there are.

        Raises:
            InputError: there is none.
        """
        self._keys = {key.public.keyid: key for key in find_keys(folders)}
        if not self._keys:
            where = ", ".join(map(str, folders))
            raise InputError(f"{where}: no keys there; make them with `edgekit keys init`")
        self._passphrases = passphrases
        self._open: dict[str, CryptoSigner] = {}

    def keys(self, role: Role) -> list[KeyFile]:
        """The keys of a role that are here, the first ones first."""
        return [key for key in self._keys.values() if key.role == role and key.path.is_file()]

    def signer(self, keyid: str) -> CryptoSigner | None:
        """The signer of a key, or `None` where its private half is not here.

        Raises:
            InputError: the passphrase is wrong, or the file is damaged.
        """
        if keyid in self._open:
            return self._open[keyid]
        key = self._keys.get(keyid)
        if key is None or not key.path.is_file():
            return None
        self._open[keyid] = _decrypted(key, self._passphrases(key.role))
        return self._open[keyid]


def _decrypted(key: KeyFile, passphrase: bytes) -> CryptoSigner:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.exceptions import Error

    try:
        private = load_pem_private_key(key.path.read_bytes(), passphrase)
        assert isinstance(key.public, SSlibKey)
        return CryptoSigner(private, key.public)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm, Error) as error:
        raise InputError(
            f"{key.path}: cannot be opened: the passphrase is wrong, or the file is damaged"
        ) from error
