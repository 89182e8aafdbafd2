"""Keeps graphs that ONNX Runtime has optimised on this very board, so that it starts faster."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from edgekit.runtime.kept_file import DRAFT, remove_beyond, replace_whole

_FORMAT = 1
_CAP_BYTES = 256_000_000
_DRAFT_LIVES_S = 3600


@dataclass(frozen=True)
class GraphKey:
    """All that an optimised graph depends on.

    Attributes:
        model_sha256: of the model file.
        engine_version: of the library that optimised it.
        cpu: which CPU it did that for.
        settings: what else it was told.
    """

    model_sha256: str
    engine_version: str
    cpu: str
    settings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """32 hexadecimal digits."""
        parts = (_FORMAT, self.model_sha256, self.engine_version, self.cpu, self.settings)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


class GraphCache:
    """A folder of optimised graphs, each named `<key>.<sha256 of the file>.onnx`.

    The name vouches for the content, so a file that a power cut, a full disk or another program
    damaged is never loaded. Whatever goes wrong costs time only: nothing here raises.

    Args:
        folder: is made when the first graph is kept.
        cap_bytes: what all graphs together may take; the ones used longest ago go first.
    """

    def __init__(self, folder: Path, *, cap_bytes: int = _CAP_BYTES) -> None:
        self._folder = folder
        self._cap_bytes = cap_bytes

    def find(self, key: GraphKey) -> Path | None:
        """The kept graph, if it is there and whole; what is damaged is removed."""
        for path in self._files(f"{key.name}.*"):
            try:
                with path.open("rb") as file:
                    is_whole = hashlib.file_digest(file, "sha256").hexdigest() == _promised(path)
                if is_whole:
                    with suppress(OSError):
                        os.utime(path)
                    return path
            except OSError:
                pass
            _remove(path)
        return None

    def draft(self) -> Path | None:
        """An empty file for the engine to write a graph into, or `None` where none can be made."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            with NamedTemporaryFile(dir=self._folder, prefix=DRAFT, delete=False) as file:
                return Path(file.name)
        except OSError:
            return None

    def keep(self, key: GraphKey, draft: Path) -> Path | None:
        """Takes a graph in, and removes old ones beyond the cap; gives where it now is.

        One that alone is beyond the cap is not kept.
        """
        try:
            size = draft.stat().st_size
            if not 0 < size <= self._cap_bytes:
                _remove(draft)
                return None
            with draft.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            place = self._folder / f"{key.name}.{digest}.onnx"
            replace_whole(draft, place)
        except OSError:
            _remove(draft)
            return None
        for other in self._files(f"{key.name}.*"):
            if other != place:
                _remove(other)
        remove_beyond(self._files("*.onnx"), cap_bytes=self._cap_bytes, keep=place)
        return place

    def forget(self, key: GraphKey) -> None:
        """Removes a graph that turned out to answer wrongly."""
        for path in self._files(f"{key.name}.*"):
            _remove(path)

    def _sweep(self) -> None:
        """Removes drafts of starts that were cut short; a fresh one may be another process's."""
        for draft in self._files(f"{DRAFT}*"):
            with suppress(OSError):
                if abs(time.time() - draft.stat().st_mtime) > _DRAFT_LIVES_S:
                    draft.unlink()

    def _files(self, pattern: str) -> Iterator[Path]:
        with suppress(OSError):
            yield from sorted(path for path in self._folder.glob(pattern) if path.is_file())


def _promised(path: Path) -> str:
    """The SHA-256 that a file's name promises."""
    return path.stem.rpartition(".")[2]


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
