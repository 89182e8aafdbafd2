"""Turns what ssh says when it fails into one line that says what to do: pure."""

import re
from collections.abc import Callable, Sequence

from edgekit.errors import EdgekitError, InputError, Unavailable

_OFFENDING = re.compile(r"(?:Offending|Add correct host key in) (?:(\S+) key in )?(\S+):(\d+)")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_NOISE = re.compile(
    r"debug\d: |OpenSSH_|Authenticated to |Transferred: |Bytes per second: |Warning: Permanently"
    r"|\s*$|@{5,}"
)


def printable(text: str) -> str:
    """The text without control characters: what a board says must not steer the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def complaint(said: str, *, destination: str) -> EdgekitError:
    """The error for a connection that ssh could not make, or lost (exit code 255).

    Args:
        said: ssh's own messages.
        destination: as it was given to ssh.

    Returns:
        An `Unavailable` where a later attempt may succeed, else an `InputError`.
    """
    lines = [printable(line.strip()) for line in said.splitlines() if not _NOISE.match(line)]
    text = "\n".join(lines)
    for pattern, make in _RULES:
        found = re.search(pattern, text)
        if found is not None:
            return make(destination, found, text)
    if not lines:
        return Unavailable(f"{destination}: the connection was lost")
    return Unavailable(f"{destination}: the connection failed: {lines[-1]}")


def _changed_key(destination: str, found: re.Match[str], text: str) -> EdgekitError:
    place = _OFFENDING.search(text)
    shown = _FINGERPRINT.search(text)
    where = f"{place[2]}:{place[3]}" if place else "your known_hosts"
    now = f" (it shows {shown[0]})" if shown else ""
    return InputError(
        f"{destination}: its host key is not the one in {where}{now}: it was installed anew, or "
        "somebody is in between; compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` "
        f"at the board itself, and only if they agree remove that line"
    )


def _unknown_key(destination: str, found: re.Match[str], text: str) -> EdgekitError:
    return InputError(
        f"{destination}: its host key is not known here; run `ssh {destination}` once, and compare "
        "the fingerprint that it shows with the board's own"
    )


def _refused(destination: str, found: re.Match[str], text: str) -> EdgekitError:
    ways = f" (it takes {found[1].replace(',', ', ')})" if found[1] else ""
    return InputError(
        f"{destination}: authentication refused{ways}; check the user, and --identity, the keys "
        "in ssh-agent, or ~/.ssh/config"
    )


def _too_many(destination: str, found: re.Match[str], text: str) -> EdgekitError:
    return InputError(
        f"{destination}: authentication refused: too many keys were tried; say which one with "
        "--identity"
    )


def _no_name(destination: str, found: re.Match[str], text: str) -> EdgekitError:
    return Unavailable(f"{destination}: cannot be reached: no host is called {found[1]}")


def _no_way(destination: str, found: re.Match[str], text: str) -> EdgekitError:
    return Unavailable(
        f"{destination}: cannot be reached at port {found[1]}: {found[2]}; is it on, on this "
        "network, and does its ssh server run?"
    )


def _hung_up(destination: str, found: re.Match[str], text: str) -> EdgekitError:
    return Unavailable(f"{destination}: hung up before the log-in: {found[0]}; try again")


def _own_settings(destination: str, found: re.Match[str], text: str) -> EdgekitError:
    return InputError(f"{destination}: ssh cannot be used: {found[0]}")


_RULES: Sequence[tuple[str, Callable[[str, re.Match[str], str], EdgekitError]]] = (
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED|HOST KEY .*CHANGED", _changed_key),
    (r"Host key verification failed|No \S+ host key is known", _unknown_key),
    (r"Could not resolve hostname ([^:\s]+)", _no_name),
    (r"connect to (?:host|address) .*? port (\d+): (.+)", _no_way),
    (r"Too many authentication failures", _too_many),
    (r"Permission denied(?: \(([^)]*)\))?", _refused),
    (
        r"Bad owner or permissions.*|.*Bad configuration option.*|.*terminating, \d+ bad.*"
        r"|Can't open user config file.*|.*[Bb]ad permissions.*",
        _own_settings,
    ),
    (r"(?:kex_exchange_identification|banner exchange|Connection (?:closed|reset)).*", _hung_up),
)
