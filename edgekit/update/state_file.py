"""Keeps the state of slots in small files with a checksum, each twice."""

import hashlib
import logging
from contextlib import suppress
from pathlib import Path

import msgspec

from edgekit.bundle.manifest import Name
from edgekit.errors import BundleError, InputError
from edgekit.update.files import FileSystem, make_folders, replace_durably
from edgekit.update.state import SlotState

_log = logging.getLogger(__name__)
_FORMAT = 1
_LIMIT_BYTES = 1 << 16
_SUFFIX, _COPY = ".json", ".json~"  # no bundle's name holds a tilde


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    sha256: str
    state: msgspec.Raw


def encode_state(state: SlotState) -> bytes:
    """The state as JSON with a checksum."""
    body = msgspec.json.encode(state)
    envelope = _Envelope(_FORMAT, hashlib.sha256(body).hexdigest(), msgspec.Raw(body))
    return msgspec.json.encode(envelope) + b"\n"


def decode_state(data: bytes, *, where: str) -> SlotState:
    """Reads what `encode_state` wrote.

    Raises:
        BundleError: damaged, or of a later edgekit.
    """
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
        body = bytes(envelope.state)
        if envelope.format != _FORMAT:
            raise BundleError(f"{where}: is of another edgekit (format {envelope.format})")
        if hashlib.sha256(body).hexdigest() != envelope.sha256:
            raise BundleError(f"{where}: is damaged: its checksum is wrong")
        return msgspec.json.decode(body, type=SlotState)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{where}: is damaged: {error}") from error


class StateFiles:
    """The states of all slots of a board, a file and its copy for each bundle name.

    The file is the truth. The copy is written after it, and read only where the file is damaged.
    """

    def __init__(self, folder: Path, files: FileSystem) -> None:
        self._folder = folder
        self._files = files

    def load(self, name: str) -> SlotState:
        """The state of a name; a new one where there is none, or where both files are damaged.

        Raises:
            InputError: the name is none that a bundle can have.
        """
        state, _ = self._read(name)
        return state

    def save(self, state: SlotState) -> None:
        """Keeps a state: when this returns, it outlives a power cut.

        Raises:
            OSError: it cannot be written; the state before is still there.
        """
        data = encode_state(state)
        make_folders(self._files, self._folder)
        replace_durably(self._files, self._folder / f"{state.name}{_SUFFIX}", data)
        copy = self._folder / f"{state.name}{_COPY}"
        try:
            replace_durably(self._files, copy, data)
        except OSError as error:  # the state is kept: only the copy must not contradict it
            _log.warning("%s: cannot be written: %s", copy, error.strerror or error)
            with suppress(OSError):
                self._files.remove(copy)

    def names(self) -> list[str]:
        """Every name that has a state."""
        if not self._folder.is_dir():
            return []
        files = [path.name.removesuffix("~") for path in self._folder.iterdir()]
        names = {name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX)}
        return sorted(name for name in names if _is_name(name))

    def in_use(self) -> frozenset[str] | None:
        """The hashes that some slot uses, or `None` where a state was lost: then none is free."""
        used: frozenset[str] = frozenset()
        for name in self.names():
            state, lost = self._read(name)
            if lost:
                return None
            used |= state.in_use()
        return used

    def _read(self, name: str) -> tuple[SlotState, bool]:
        """A state, and whether there was one that cannot be read any more."""
        if not _is_name(name):
            raise InputError(f"{name!r} is not the name of a bundle")
        damaged = False
        for suffix in (_SUFFIX, _COPY):
            path = self._folder / f"{name}{suffix}"
            try:
                with path.open("rb") as file:
                    state = decode_state(file.read(_LIMIT_BYTES), where=str(path))
                if state.name != name:
                    raise BundleError(f"{path}: is of {state.name}")
            except FileNotFoundError:
                continue
            except (OSError, BundleError) as error:
                damaged = True
                _log.warning("%s", error)
                continue
            return state, False
        return SlotState(name=name), damaged


def _is_name(name: str) -> bool:
    """Whether a bundle can have a name; it may come over MQTT, and must stay in its folder."""
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError:
        return False
    return True
