"""Installs edgekit on a board that has none: environment, user, units, settings."""

import hashlib
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from edgekit import __version__
from edgekit.deploy.ssh.board import Board
from edgekit.deploy.ssh.layout import Layout
from edgekit.deploy.ssh.probing import check_installable
from edgekit.deploy.ssh.system_files import system_files
from edgekit.deploy.ssh.wheels import wheels_for
from edgekit.errors import ConfigError, InputError, Unavailable

_CHUNK = 1 << 15

Sending = Callable[[str, int, int], None]
"""Is told what is being sent, how many bytes of it were, and of how many."""


@dataclass(frozen=True)
class Installation:
    """How a board without edgekit gets it.

    Attributes:
        wheels: a folder of wheels to install from, without any network; by default the board's pip
            asks its package index.
        settings: an `edgekit.toml`, or a folder with one and what it names beside it: what the
            board gets where it has none.
        system_packages: whether the environment sees the system's Python packages (picamera2).
    """

    wheels: Path | None = None
    settings: Path | None = None
    system_packages: bool = False


def install(board: Board, wish: Installation, *, sending: Sending) -> Board:
    """Puts edgekit into an environment of its own on the board, whole or not at all.

    Returns:
        The board, as it is now.

    Raises:
        InputError: the board cannot take it, or pip could not install it.
        Unavailable: the connection was lost; what was sent stays for the next attempt.
    """
    python = check_installable(board.facts, board.layout, destination=board.name)
    packages: list[str] = [f"edgekit=={__version__}"]
    if wish.wheels is not None:
        wheels = wheels_for(wish.wheels, python=python, machine=board.facts.machine)
        _send(board, wheels, sending)
        offline = ["--no-index", "--find-links", board.layout.wheels, "edgekit"]
        packages = offline
    script = _install_script(
        board.layout, python.path, packages, system_packages=wish.system_packages
    )
    with board.connection.open(board.rightful(script)) as process:
        assert process.stdout is not None
        printed = process.stdout.read().decode(errors="replace").strip().splitlines()
    if not printed or printed[-1] != _DONE:
        raise board.failure("install edgekit", "\n".join(_errors_of(printed)))
    return replace(board, facts=replace(board.facts, edgekit=__version__))


def set_up(board: Board, settings: Mapping[str, bytes], *, replace_units: bool) -> None:
    """Gives the board its unit files, user, folders and settings; what it has of settings stays.

    Args:
        board: has edgekit.
        settings: by name, what goes beside `edgekit.toml`, and itself.
        replace_units: whether unit files that are there give way.

    Raises:
        InputError: something cannot be written.
    """
    layout = board.layout
    folder = layout.config.rpartition("/")[0]
    if layout.service == "systemd":
        for path, data in system_files(layout, systemd=board.facts.systemd or 0).items():
            board.put(path, data, replace=replace_units)
        state = quote(layout.state)
        board.do(
            "systemd-sysusers edgekit.conf && systemctl daemon-reload && "
            "systemctl enable --quiet edgekit-boot-check.service && "
            f"install -d -o edgekit -g edgekit -m 750 {state}",
            what="set up the user edgekit",
        )
    for name, data in settings.items():
        board.put(f"{folder}/{name}", data, mode=0o640, replace=False)
    own = "systemd-tmpfiles --create edgekit.conf"
    for name in settings:
        own += f" && chgrp edgekit {quote(f'{folder}/{name}')}"
    board.do(
        own if layout.service == "systemd" else f"mkdir -p {quote(layout.state)}",
        what="set up its folders",
    )


def settings_files(given: Path | None, layout: Layout) -> dict[str, bytes]:
    """What is to lie in the board's settings folder.

    Settings without a table `[updates]` get one, for what deploys push.

    Raises:
        InputError: there are no settings, or they cannot be read.
        ConfigError: they are no TOML.
    """
    if given is None:
        raise InputError(
            "the board has no edgekit.toml: give one with --config; `edgekit config init --bundle "
            f"{layout.state}/bundles/NAME ...` begins it"
        )
    is_folder = given.is_dir()
    names = [path for path in sorted(given.iterdir()) if path.is_file()] if is_folder else [given]
    try:
        found = {path.name if is_folder else "edgekit.toml": path.read_bytes() for path in names}
        text = found["edgekit.toml"].decode()
        document = tomllib.loads(text)
    except KeyError as error:
        raise InputError(f"{given}: holds no edgekit.toml") from error
    except OSError as error:
        raise InputError(f"{given}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(str(given), [str(error)]) from error
    if "updates" not in document:
        found["edgekit.toml"] = (text.rstrip("\n") + "\n\n" + updates_table(layout)).encode()
    return found


def updates_table(layout: Layout) -> str:
    """The table that has a board follow what deploys push."""
    return (
        "[updates]\n"
        f'repository = "{layout.state}/repository"\n'
        f'root = "{layout.config.rpartition("/")[0]}/root.json"\n'
    )


_DONE = "edgekit is installed"


def _install_script(
    layout: Layout, python: str, packages: Sequence[str], *, system_packages: bool
) -> str:
    """Installs; where it fails, or whoever started it is gone, nothing of it stays.

    The connection's end is noticed at standard input. Work runs in the background, since a shell
    follows a signal only between commands, or while it waits.
    """
    home, marker = quote(layout.home), quote(layout.marker)
    python_there = f"{layout.venv}/bin/python"
    see = ["--system-site-packages"] if system_packages else []
    make = " ".join(map(quote, [python, "-I", "-m", "venv", *see, layout.venv]))
    pip = [python_there, "-I", "-m", "pip", "install", "--quiet", "--no-input"]
    pip += ["--disable-pip-version-check", "--no-cache-dir", *packages]
    check = [python_there, "-I", "-c", "import edgekit.daemon.deploy_control.__main__"]
    return (
        "set -e; umask 022; job=; watcher=\n"
        f"[ ! -e {marker} ] || rm -rf {home}\n"
        f"mkdir -p {home}; : >{marker}\n"
        "over() { trap '' EXIT HUP INT TERM; "
        'for p in $job $watcher; do kill "$p" 2>/dev/null || :; done; '
        f"[ ! -e {marker} ] || rm -rf {home}; }}\n"
        "trap over EXIT; trap 'exit 130' HUP INT TERM\n"
        "exec 3<&0\n"
        "(cat <&3 >/dev/null 2>&1; kill -TERM $$) >/dev/null 2>&1 & watcher=$!\n"
        'go() { "$@" </dev/null 2>&1 & job=$!; wait "$job"; job=; }\n'
        f"go {make}\n"
        f"go {' '.join(map(quote, pip))}\n"
        f"go {' '.join(map(quote, check))}\n"
        f"{_links(layout)}"
        f"rm -rf {quote(layout.wheels)}; sync; rm -f {marker}; sync\n"
        f"echo {quote(_DONE)}\n"
    )


def _links(layout: Layout) -> str:
    """Makes the first of two slots for code the one that runs: docs/power_cuts.md has the rest."""
    if layout.service != "systemd":
        return ""
    find = "import edgekit.daemon.boot_check as it; print(it.__file__)"
    return (
        f"cd {quote(layout.prefix)}\n"
        f'cp "$({quote(layout.venv)}/bin/python -I -c {quote(find)})" boot_check.py\n'
        "chmod 644 boot_check.py; ln -sfn slots/a current; ln -sfn current/bin bin\n"
    )


def _errors_of(printed: Sequence[str]) -> list[str]:
    """What pip or Python said that tells the reason, not the traceback around it."""
    errors = [line for line in printed if line.startswith("ERROR: ") or "No space left" in line]
    return errors or list(printed)


def _send(board: Board, wheels: Sequence[Path], sending: Sending) -> None:
    """Brings wheels to the board; goes on where an attempt broke off."""
    folder = quote(board.layout.wheels)
    listing = board.do(
        f'mkdir -p {folder} && cd {folder} && for f in *; do [ ! -f "$f" ] || '
        'echo "$(wc -c <"$f") $(sha256sum <"$f" | cut -d" " -f1) $f"; done',
        what="look for wheels there",
    )
    there = {
        name: (int(size), sha256)
        for size, sha256, name in (line.split(" ", 2) for line in listing.splitlines())
    }
    hashes = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels}
    todo = [path for path in wheels if there.get(path.name, (0, ""))[1] != hashes[path]]
    starts = {path: _start(path, hashes[path], there) for path in todo}
    total = sum(path.stat().st_size - starts[path] for path in todo)
    sent = 0
    for path in todo:
        for count in _send_one(board, path, hashes[path], starts[path]):
            sent += count
            sending("wheels", sent, total)
    keep = " ".join(f"! -name {quote(path.name)}" for path in wheels)
    board.do(f"find {folder} -type f {keep} -exec rm -f {{}} +", what="remove other wheels")


def _part(path: Path, sha256: str) -> str:
    return f"{path.name}.{sha256[:16]}.part"


def _start(path: Path, sha256: str, there: Mapping[str, tuple[int, str]]) -> int:
    size, _ = there.get(_part(path, sha256), (0, ""))
    return size if size <= path.stat().st_size else 0


def _send_one(board: Board, path: Path, sha256: str, start: int) -> Iterator[int]:
    """Sends a wheel from an offset on; gives how many bytes each time."""
    folder = board.layout.wheels
    part, place = quote(f"{folder}/{_part(path, sha256)}"), quote(f"{folder}/{path.name}")
    into = ">>" if start else ">"
    script = (
        f"exec 2>&1; cat {into}{part} && [ \"$(sha256sum <{part} | cut -d' ' -f1)\" = {sha256} ] "
        f"&& mv -f {part} {place} && echo there || {{ "
        f'[ "$(wc -c <{part})" -lt {path.stat().st_size} ] || rm -f {part}; exit 1; }}'
    )
    with board.connection.open(board.rightful(script)) as process, path.open("rb") as file:
        assert process.stdin is not None
        assert process.stdout is not None
        file.seek(start)
        with suppress(BrokenPipeError):
            while chunk := file.read(_CHUNK):
                process.stdin.write(chunk)
                yield len(chunk)
            process.stdin.close()
        printed = process.stdout.read().decode(errors="replace").strip()
    if printed.endswith("there"):
        return
    if printed:
        raise board.failure(f"send {path.name}", printed)
    raise Unavailable(f"{board.name}: the connection was lost; try again to go on from there")
