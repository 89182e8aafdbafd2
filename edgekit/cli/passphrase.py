"""Where commands get the passphrases of keys from: a file, the environment, or the keyboard."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.errors import InputError

if TYPE_CHECKING:
    from edgekit.deploy.keys import Passphrases, Role

OFFLINE, ONLINE = "EDGEKIT_KEYS_PASSPHRASE", "EDGEKIT_ONLINE_PASSPHRASE"


def key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options by which a command finds keys and opens them."""
    for option in (
        click.option(
            "--online-passphrase-file", type=click.Path(path_type=Path),
            help=f"Of the snapshot and timestamp keys (or {ONLINE}); by default as the others.",
        ),
        click.option(
            "--passphrase-file", type=click.Path(path_type=Path),
            help=f"Its first line opens the keys (or {OFFLINE}, or you are asked).",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def passphrases(file: Path | None, online: Path | None, *, confirm: bool = False) -> "Passphrases":
    """The passphrase of each role's keys; asks for each of the two at most once.

    Args:
        file: of the offline keys, and of the online ones where nothing else is said.
        online: of the online keys.
        confirm: whether it has to be typed twice.
    """
    asked: dict[bool, bytes] = {}

    def of(role: "Role") -> bytes:
        is_online = role in ("snapshot", "timestamp")
        if is_online not in asked:
            asked[is_online] = _find(file, online if is_online else None, is_online, confirm)
        return asked[is_online]

    return of


def _find(file: Path | None, online: Path | None, is_online: bool, confirm: bool) -> bytes:
    given = online or (None if is_online and ONLINE in os.environ else file)
    if given is not None:
        try:
            return given.read_bytes().split(b"\n", 1)[0].rstrip(b"\r")
        except OSError as error:
            raise InputError(f"{given}: cannot be read: {error.strerror}") from error
    for name in (ONLINE, OFFLINE) if is_online else (OFFLINE,):
        if name in os.environ:
            return os.environ[name].encode()
    if not sys.stdin.isatty():
        raise InputError(f"no passphrase: give --passphrase-file, or set {OFFLINE}")
    which = "online" if is_online else "offline"
    text: str = click.prompt(
        f"Passphrase of the {which} keys", hide_input=True, confirmation_prompt=confirm, err=True
    )
    return text.encode()
