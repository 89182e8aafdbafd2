"""The helper's verbs: `describe`, `receive`, `ship`, `follow`, `withdraw`."""

import argparse
import os
import pwd
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from edgekit.bundle.manifest import Name
from edgekit.config.loading import load_settings
from edgekit.daemon.deploy_control.describing import describe, folder_of
from edgekit.daemon.deploy_control.hinting import follow, has_followed, withdraw
from edgekit.daemon.deploy_control.messages import (
    Order,
    Refusal,
    Shipped,
    Shipping,
    decode_line,
    encode_line,
)
from edgekit.daemon.deploy_control.receiving import receive
from edgekit.daemon.deploy_control.shipping import place_of, ship
from edgekit.daemon.deploy_control.tidying import tidy
from edgekit.errors import EdgekitError, InputError

_USER = "edgekit"


def main(arguments: Sequence[str] | None = None) -> None:
    """Does one verb; leaves with the code of `edgekit.errors`."""
    options = _parser().parse_args(arguments)
    code = 0
    try:
        _become(_owner(options.state))
        _VERBS[options.verb](options, sys.stdin.buffer, sys.stdout.buffer)
    except EdgekitError as error:
        sys.stdout.buffer.write(encode_line(Refusal(error=str(error), code=error.exit_code)))
        code = error.exit_code
    except BrokenPipeError:
        code = 141
    sys.stdout.flush()
    sys.exit(code)


def _describe(options: argparse.Namespace, stream: IO[bytes], answer: IO[bytes]) -> None:
    answer.write(encode_line(describe(options.config, options.state)))


def _receive(options: argparse.Namespace, stream: IO[bytes], answer: IO[bytes]) -> None:
    receive(_repository(options), stream, answer)


def _ship(options: argparse.Namespace, stream: IO[bytes], answer: IO[bytes]) -> None:
    shipping = decode_line(stream.readline(), Shipping)
    report = describe(options.config, options.state)
    folder = place_of(shipping.name, report.missing)
    ship(shipping, repository=_repository(options), folder=folder)
    answer.write(encode_line(Shipped(folder=str(folder))))


def _follow(options: argparse.Namespace, stream: IO[bytes], answer: IO[bytes]) -> None:
    order, state = decode_line(stream.readline(), Order), _state(options)
    for status in follow(state, options.bundle, order.wish, for_s=options.seconds):
        if order.keep is not None and has_followed(status, order.wish):
            tidy(_repository(options), order.keep, bundle=options.bundle)
        answer.write(encode_line(status))
        answer.flush()


def _withdraw(options: argparse.Namespace, stream: IO[bytes], answer: IO[bytes]) -> None:
    withdraw(_state(options), options.bundle, options.rollout)


_VERBS: Mapping[str, Callable[[argparse.Namespace, IO[bytes], IO[bytes]], None]] = {
    "describe": _describe,
    "receive": _receive,
    "ship": _ship,
    "follow": _follow,
    "withdraw": _withdraw,
}


def _state(options: argparse.Namespace) -> Path:
    return load_settings(options.config).state or Path(options.state)


def _repository(options: argparse.Namespace) -> Path:
    updates = load_settings(options.config).updates
    address = None if updates is None else updates.repository
    folder = None if address is None else folder_of(address)
    if folder is None:
        raise InputError(
            f"this board takes its updates from {address or 'nowhere'}: its settings need "
            "`[updates]` with a folder as `repository`"
        )
    return Path(folder)


def _owner(state: Path) -> pwd.struct_passwd | None:
    """Whom the state directory belongs to, or will belong to."""
    try:
        return pwd.getpwuid(state.stat().st_uid) if state.is_dir() else pwd.getpwnam(_USER)
    except KeyError:
        return None


def _become(owner: pwd.struct_passwd | None) -> None:
    """Works with the rights of the daemon's user, so that all files are the daemon's."""
    if os.geteuid() != 0 or owner is None or owner.pw_uid == 0:
        return
    os.initgroups(owner.pw_name, owner.pw_gid)
    os.setgid(owner.pw_gid)
    os.setuid(owner.pw_uid)
    os.umask(0o027)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edgekit.daemon.deploy_control")
    parser.add_argument("verb", choices=_VERBS)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--bundle", type=_bundle_name)
    parser.add_argument("--rollout", default="")
    parser.add_argument("--seconds", type=float, default=20.0)
    return parser


def _bundle_name(text: str) -> str:
    """A bundle's name, which becomes the name of a file."""
    try:
        return msgspec.convert(text, Name)
    except msgspec.ValidationError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a bundle") from error


if __name__ == "__main__":
    main()
