"""A disk that forgets: records what a program does to it, and rebuilds what a power cut may leave.

The fault model, which is harsher than a journalling file system:

- Content. Of what was written to a file and not synced, any prefix of the write calls is there; of
  the first that is not, nothing, the first half, or its full length with zeros in its second half.
- Names. Of what was created, renamed and removed in a folder since that folder was last synced,
  any prefix in order is there. Folders are independent of one another, and syncing a file does not
  keep its name.
- What was synced is there. The disk does not lie about that, and does not rot.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.update.files import DiskFiles

Content = tuple[bytes | None, ...]
"""Pieces in order; `None` empties the file."""


@dataclass(frozen=True)
class Change:
    """One thing that was done to the disk.

    Attributes:
        kind: `open` (a file that was not there is made, one that is there stays), `empty`,
            `piece`, `sync`, `folder`, `rename`, `remove`, `sync folder`.
        path: what it was done to, below the recorded folder.
        to: the new name.
        data: what was written.
    """

    kind: str
    path: Path
    to: Path | None = None
    data: bytes = b""


class RecordingFiles(DiskFiles):
    """The disk itself, with a record of every change.

    Attributes:
        changes: what was done so far.
    """

    def __init__(self, folder: Path) -> None:
        """Starts an empty record.

        Args:
            folder: what paths are recorded below.
        """
        self.changes: list[Change] = []
        self._folder = folder

    def write(self, path: Path, chunks: Iterable[bytes], *, append: bool = False) -> None:
        self._note("open", path)
        if not append:
            self._note("empty", path)
        super().write(path, self._noted(path, chunks), append=append)

    def sync(self, path: Path) -> None:
        super().sync(path)
        self._note("sync", path)

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        self._note("sync folder", path)

    def rename(self, old: Path, new: Path) -> None:
        assert old.parent == new.parent, "the protocol renames within a folder"
        super().rename(old, new)
        self.changes.append(Change("rename", self._below(old), to=self._below(new)))

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)
        self._note("folder", path)

    def remove(self, path: Path) -> None:
        super().remove(path)
        self._note("remove", path)

    def _noted(self, path: Path, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            self.changes.append(Change("piece", self._below(path), data=bytes(chunk)))

    def _note(self, kind: str, path: Path) -> None:
        self.changes.append(Change(kind, self._below(path)))

    def _below(self, path: Path) -> Path:
        return path.relative_to(self._folder)


@dataclass(eq=False)
class _File:
    kept: bytes = b""
    pending: list[bytes | None] = field(default_factory=list)


Names = dict[str, "_File | _Folder"]


@dataclass(eq=False)
class _Folder:
    names: Names = field(default_factory=dict)
    """As a program sees them."""
    kept: Names = field(default_factory=dict)
    """As they surely are on the disk."""
    pending: list[Names] = field(default_factory=list)
    """What they were after each change since."""

    def change(self, names: Names) -> None:
        self.names = names
        self.pending.append(names)


class CrashDisk:
    """What may be on the disk after a number of changes."""

    def __init__(self, start: Path) -> None:
        """A disk on which all below a folder is safe."""
        self._root = _loaded(start)

    def apply(self, change: Change) -> None:
        """Does one change."""
        folder = self._folder(change.path.parent)
        name = change.path.name
        match change.kind:
            case "open":
                if name not in folder.names:
                    folder.change({**folder.names, name: _File()})
            case "empty":
                self._file(change.path).pending.append(None)
            case "piece":
                self._file(change.path).pending.append(change.data)
            case "sync":
                file = self._file(change.path)
                file.kept, file.pending = _content(file.kept, file.pending), []
            case "folder":
                folder.change({**folder.names, name: _Folder()})
            case "rename":
                assert change.to is not None
                rest = {key: value for key, value in folder.names.items() if key != name}
                folder.change({**rest, change.to.name: folder.names[name]})
            case "remove":
                folder.change({key: node for key, node in folder.names.items() if key != name})
            case "sync folder":
                synced = self._folder(change.path)
                synced.kept, synced.pending = synced.names, []

    def outcomes(self) -> Iterator["Outcome"]:
        """Every disk that a power cut may leave now, each once."""
        yield from _outcomes(self._root)

    def _folder(self, path: Path) -> _Folder:
        node: _File | _Folder = self._root
        for part in path.parts:
            assert isinstance(node, _Folder)
            node = node.names[part]
        assert isinstance(node, _Folder)
        return node

    def _file(self, path: Path) -> _File:
        node = self._folder(path.parent).names[path.name]
        assert isinstance(node, _File)
        return node


Outcome = dict[str, "bytes | Outcome"]
"""A folder: bytes for a file, a folder for a folder."""


def lay_out(outcome: Outcome, folder: Path) -> None:
    """Makes a folder hold what a power cut left."""
    folder.mkdir()
    for name, node in outcome.items():
        if isinstance(node, bytes):
            (folder / name).write_bytes(node)
        else:
            lay_out(node, folder / name)


def _loaded(path: Path) -> _Folder:
    names: Names = {
        entry.name: _loaded(entry) if entry.is_dir() else _File(entry.read_bytes())
        for entry in sorted(path.iterdir())
    }
    return _Folder(names, names)


def _outcomes(folder: _Folder) -> Iterator[Outcome]:
    seen: list[Outcome] = []
    for names in [folder.kept, *folder.pending]:
        choices: list[list[Any]] = [
            list(_contents(node) if isinstance(node, _File) else _outcomes(node))
            for node in names.values()
        ]
        for chosen in itertools.product(*choices):
            outcome: Outcome = dict(zip(names, chosen, strict=True))
            if outcome not in seen:
                seen.append(outcome)
                yield outcome


def _contents(file: _File) -> Iterator[bytes]:
    found = [_content(file.kept, file.pending[:count]) for count in range(len(file.pending) + 1)]
    for count, piece in enumerate(file.pending):
        if piece:
            whole, half = found[count], len(piece) // 2
            torn = piece[:half] + bytes(len(piece) - half)
            found += [whole + piece[:half], whole + torn]
    yield from dict.fromkeys(found)


def _content(kept: bytes, pieces: Iterable[bytes | None]) -> bytes:
    for piece in pieces:
        kept = b"" if piece is None else kept + piece
    return kept
