"""What a workstation and its helper on the board say to one another: one JSON object a line."""

from typing import Annotated, TypeVar

import msgspec

from edgekit.bundle.manifest import Name, Sha256, Version
from edgekit.errors import InputError
from edgekit.messaging.payloads import DeployDesired, DeployStatus

FORMAT = 1
"""Changes only with a form that an older edgekit misreads."""

Length = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
RepositoryPath = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A(metadata|targets)(/[A-Za-z0-9][A-Za-z0-9._-]{0,199}){1,4}\Z", max_length=400
    ),
]
"""A file's path below a repository: plain names that begin with a letter or a digit."""

T = TypeVar("T")


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that a later edgekit adds are passed over."""


class BundleReport(_Said, frozen=True, kw_only=True):
    """One bundle that pipelines run.

    Attributes:
        name: the bundle's.
        pipelines: that run it.
        installed: the version that a start of the daemon runs.
        back: the version that a rollback would go to; `None` where there is none to go to.
        refused: the version that was rolled back last, if nothing was committed since.
        reason: why that was.
        status: what the daemon said last.
    """

    name: str
    pipelines: tuple[str, ...] = ()
    installed: str | None = None
    back: str | None = None
    refused: str | None = None
    reason: str = ""
    status: DeployStatus | None = None


class BoardReport(_Said, frozen=True, kw_only=True):
    """What there is on a board.

    Attributes:
        format: of this conversation.
        edgekit: the version of the board's edgekit.
        engines: that the board has.
        has_settings: whether there is an edgekit.toml.
        mistakes: what is wrong with it.
        state: the state directory.
        repository: where updates come from, as the settings say; `None` without `[updates]`.
        folder: the same, where it is a folder on the board.
        root_file: where the trusted root has to lie.
        root_sha256: of the trusted root; `None` where it is missing.
        bundles: those that pipelines run.
        missing: the bundles' folders that the settings name and that are not there.
        free_bytes: what may still be written.
    """

    format: int = FORMAT
    edgekit: str
    engines: tuple[str, ...] = ()
    has_settings: bool = False
    mistakes: tuple[str, ...] = ()
    state: str = ""
    repository: str | None = None
    folder: str | None = None
    root_file: str | None = None
    root_sha256: str | None = None
    bundles: tuple[BundleReport, ...] = ()
    missing: tuple[str, ...] = ()
    free_bytes: int = 0


class FileNote(_Said, frozen=True, kw_only=True):
    """A file of a repository."""

    path: RepositoryPath
    size_bytes: Length
    sha256: Sha256


class Parcel(_Said, frozen=True, kw_only=True):
    """What a board's copy of a repository shall hold, in the order of publishing."""

    files: Annotated[tuple[FileNote, ...], msgspec.Meta(max_length=10_000)]


class Offsets(_Said, frozen=True, kw_only=True):
    """How many bytes of each file are there, in the parcel's order; all of them: not to be sent."""

    have: tuple[Length, ...]


class Arrived(_Said, frozen=True, kw_only=True):
    """A file is in its place."""

    arrived: str


class Shipping(_Said, frozen=True, kw_only=True):
    """An archive in the repository to unpack as the bundle that settings name."""

    name: Name
    version: Version
    archive: FileNote
    unpacked_bytes: Length


class Shipped(_Said, frozen=True, kw_only=True):
    """Where the bundle was put."""

    folder: str


class Order(_Said, frozen=True, kw_only=True):
    """A hint for the daemon, and what the repository shall be tidied to once it has followed it."""

    wish: DeployDesired
    keep: Parcel | None = None


class Refusal(_Said, frozen=True, kw_only=True):
    """The last line where something is wrong: what `edgekit.errors` would say, and its code."""

    error: str
    code: int


def encode_line(message: msgspec.Struct) -> bytes:
    """The message as one line."""
    return msgspec.json.encode(message) + b"\n"


def decode_line(line: bytes, kind: type[T]) -> T:
    """Reads one line.

    Raises:
        InputError: it is not what was expected.
    """
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not understood: {line[:120]!r}: {error}") from error
