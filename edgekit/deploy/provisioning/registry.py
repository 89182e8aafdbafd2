"""What was issued to whom: a JSON file beside the authority, and the pure rules over it."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from edgekit.errors import InputError

Kind = Literal["certificate", "password"]


class Issued(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A credential.

    Attributes:
        fleet: the board's fleet.
        device: the board's name.
        kind: what it shows the broker.
        user: the name that the broker knows it by.
        number: a certificate's serial number in hexadecimal, or which password of the board.
        issued: when.
        expires: after which it is void by itself; `None` for a password.
        valid_until: when a newer one takes its place for good; `None` for the newest.
        revoked: since when it is void.
        line: a password's line for mosquitto.
    """

    fleet: str
    device: str
    kind: Kind
    user: str
    number: str
    issued: datetime
    expires: datetime | None = None
    valid_until: datetime | None = None
    revoked: datetime | None = None
    line: str | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether the broker lets it in."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class Registry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that one authority issued, oldest first."""

    v: Literal[1] = 1
    issued: tuple[Issued, ...] = ()

    def of(self, fleet: str, device: str) -> list[Issued]:
        """A board's credentials, oldest first."""
        return [one for one in self.issued if (one.fleet, one.device) == (fleet, device)]

    def swept(self, now: datetime) -> "Registry":
        """With those revoked whose time beside a newer one is over."""
        return self._changed(
            lambda one: one.valid_until is not None and one.valid_until <= now, revoked=now
        )

    def superseded(self, fleet: str, device: str, *, until: datetime) -> "Registry":
        """With the board's credentials good for so long beside the next one."""
        return self._changed(
            lambda one: (one.fleet, one.device) == (fleet, device) and one.valid_until is None,
            valid_until=until,
        )

    def retired(self, fleet: str, device: str, *, now: datetime) -> "Registry":
        """With all of the board's credentials revoked but the newest."""
        older = {id(one) for one in self.of(fleet, device)[:-1]}
        return self._changed(lambda one: id(one) in older, revoked=now)

    def revoked(self, fleet: str, device: str, *, now: datetime) -> "Registry":
        """With all of the board's credentials revoked: it is lost, or gone."""
        return self._changed(lambda one: (one.fleet, one.device) == (fleet, device), revoked=now)

    def with_issued(self, one: Issued) -> "Registry":
        """With one more."""
        return Registry(issued=(*self.issued, one))

    def _changed(self, applies: Callable[[Issued], bool], **fields: datetime) -> "Registry":
        return Registry(
            issued=tuple(
                msgspec.structs.replace(one, **fields)
                if one.revoked is None and applies(one)
                else one
                for one in self.issued
            )
        )


def load_registry(path: Path) -> Registry:
    """Reads the file; an empty registry where there is none.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Registry)
    except FileNotFoundError:
        return Registry()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise InputError(f"{path}: is no registry of edgekit provision: {error}") from error


def encoded_registry(registry: Registry) -> bytes:
    """The file's text, for people too."""
    return msgspec.json.format(msgspec.json.encode(registry), indent=2) + b"\n"
