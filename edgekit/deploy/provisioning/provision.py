"""Provisions a board: its credentials, the folder it takes along, and what the broker must know."""

import fcntl
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edgekit.config.migration import VERSION
from edgekit.deploy.provisioning.authority import Authority
from edgekit.deploy.provisioning.broker import CERTIFICATE_PORT, PASSWORD_PORT, broker_files
from edgekit.deploy.provisioning.folders import NewFolder, check_new, replace_file
from edgekit.deploy.provisioning.passwords import new_password, password_line
from edgekit.deploy.provisioning.registry import (
    Issued,
    Kind,
    Registry,
    encoded_registry,
    load_registry,
)
from edgekit.errors import InputError
from edgekit.messaging.topics import Topics

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Order:
    """What to provision.

    Attributes:
        fleet: the board's fleet.
        device: the board's name.
        kind: what it shall show the broker.
        broker: the host name that boards call the broker by.
        port: by default 8883 for certificates and 8884 for passwords.
        days: how long a certificate is good.
        rotate: whether the board has credentials already, which stay good for `overlap_days`.
        overlap_days: how long the older ones stay good.
    """

    fleet: str
    device: str
    kind: Kind
    broker: str
    port: int | None = None
    days: int = 730
    rotate: bool = False
    overlap_days: int = 14


def provision(
    order: Order,
    *,
    authority_folder: Path,
    out: Path,
    passphrase: bytes | None = None,
    now: datetime | None = None,
) -> Issued:
    """Issues credentials, and writes `out` for the board and `broker/` for the broker.

    Every step but the last can fail without a trace; the registry knows of a credential before
    anybody can hold it. Older credentials whose overlap is over are revoked on the way.

    Args:
        order: what to issue.
        authority_folder: holds `ca.pem`, `ca.key` and `registry.json`; made where it is not there.
        out: a folder that is not there yet.
        passphrase: of `ca.key`.
        now: the time, by default the clock's.

    Raises:
        InputError: a name, a folder or the authority cannot be used; the board has credentials and
            `rotate` was not asked for, or the other way round.
    """
    now = _seconds(now)
    topics = Topics(order.fleet, order.device)
    _check_user(order)
    check_new(out)
    with _locked(authority_folder):
        authority = _authority(authority_folder, passphrase, now)
        registry = load_registry(authority_folder / "registry.json").swept(now)
        before = registry.of(order.fleet, order.device)
        has_live = any(one.is_live(now) for one in before)
        if has_live and not order.rotate:
            raise InputError(
                f"{topics.prefix.rstrip('/')}: has credentials already; give --rotate for new ones"
            )
        if order.rotate and not has_live:
            raise InputError(f"{topics.prefix.rstrip('/')}: has no credentials to rotate")
        issued, secrets = _issue(order, authority, number=len(before) + 1, now=now)
        until = now + timedelta(days=order.overlap_days)
        registry = registry.superseded(order.fleet, order.device, until=until)
        registry = registry.swept(now).with_issued(issued)
        files = {
            **secrets,
            "ca.pem": authority.certificate,
            "edgekit.toml": _settings(order, issued).encode(),
        }
        folder = NewFolder(out, files)
        try:
            _write_broker(authority_folder, authority, registry, order.broker, now)
        except BaseException:
            folder.discard()
            raise
        folder.publish()
    return issued


def withdraw(
    fleet: str,
    device: str,
    *,
    authority_folder: Path,
    keep_newest: bool,
    passphrase: bytes | None = None,
    now: datetime | None = None,
) -> list[Issued]:
    """Revokes a board's credentials at once: all, or all but the newest.

    Returns:
        Those that were good until now.

    Raises:
        InputError: the authority cannot be used, or there is nothing to revoke.
    """
    now = _seconds(now)
    if not (authority_folder / "registry.json").is_file():
        raise InputError(f"{authority_folder}: no registry.json; nothing was issued from here")
    with _locked(authority_folder):
        authority = _authority(authority_folder, passphrase, now)
        before = load_registry(authority_folder / "registry.json").swept(now)
        change = before.retired if keep_newest else before.revoked
        after = change(fleet, device, now=now)
        gone = [
            old
            for old, new in zip(before.issued, after.issued, strict=True)
            if old.revoked is None and new.revoked is not None
        ]
        if not gone:
            raise InputError(f"{fleet}/{device}: has no credentials to revoke")
        _write_broker(authority_folder, authority, after, None, now)
    return gone


def _issue(
    order: Order, authority: Authority, *, number: int, now: datetime
) -> tuple[Issued, dict[str, bytes]]:
    name = f"{order.fleet}/{order.device}"
    if order.kind == "certificate":
        made = authority.client(name, now=now, days=order.days)
        issued = Issued(
            fleet=order.fleet,
            device=order.device,
            kind="certificate",
            user=name,
            number=made.serial,
            issued=now,
            expires=made.expires,
        )
        return issued, {"client.pem": made.certificate, "client.key": made.key}
    # A user has one password: the next one comes with a user of its own, so that both are good.
    user = name if number == 1 else f"{name}~{number}"
    password = new_password()
    issued = Issued(
        fleet=order.fleet,
        device=order.device,
        kind="password",
        user=user,
        number=str(number),
        issued=now,
        line=password_line(user, password),
    )
    return issued, {"password": f"{password}\n".encode()}


def _settings(order: Order, issued: Issued) -> str:
    port = order.port or (CERTIFICATE_PORT if order.kind == "certificate" else PASSWORD_PORT)
    shown = (
        'certificate = "client.pem"\nkey = "client.key"\n'
        if order.kind == "certificate"
        else f'username = {json.dumps(issued.user)}\npassword_file = "password"\n'
    )
    return (
        f"# Who this board is, and how it reaches its broker. Its pipelines follow below.\n"
        f"version = {VERSION}\n\n"
        f"[device]\nfleet = {json.dumps(order.fleet)}\nname = {json.dumps(order.device)}\n\n"
        f'[mqtt]\nhost = {json.dumps(order.broker)}\nport = {port}\nca = "ca.pem"\n{shown}'
    )


def _authority(folder: Path, passphrase: bytes | None, now: datetime) -> Authority:
    certificate, key = folder / "ca.pem", folder / "ca.key"
    try:
        if certificate.exists() or key.exists():
            return Authority.load(certificate.read_bytes(), key.read_bytes(), passphrase=passphrase)
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from error
    made = Authority.new("edgekit boards", now=now)
    replace_file(key, made.key)
    replace_file(certificate, made.certificate)
    return made


def _write_broker(
    folder: Path, authority: Authority, registry: Registry, host: str | None, now: datetime
) -> None:
    """The registry first: what it does not know could never be revoked."""
    replace_file(folder / "registry.json", encoded_registry(registry))
    files = broker_files(authority, registry, now=now)
    broker = folder / "broker"
    broker.mkdir(exist_ok=True)
    if host is not None and not (broker / "server.pem").exists():
        server = authority.server(host, now=now, days=3650)
        replace_file(broker / "server.key", server.key)
        files["server.pem"] = server.certificate
    for name, data in files.items():
        replace_file(broker / name, data)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One at a time: two at once would each forget what the other issued."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise InputError(f"{folder}: cannot be used: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{folder}: another edgekit provision is at work; wait") from error
        yield


def _check_user(order: Order) -> None:
    for what, name in (("fleet", order.fleet), ("device", order.device)):
        if _NAME.fullmatch(name) is None:
            raise InputError(
                f"the {what} name {name!r} cannot be used; take letters, digits, ., - and _, "
                "64 at most, with a letter or digit first"
            )


def _seconds(now: datetime | None) -> datetime:
    """A certificate knows whole seconds."""
    return (now or datetime.now(UTC)).replace(microsecond=0)
