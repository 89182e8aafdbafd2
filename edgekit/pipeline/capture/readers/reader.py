"""What a reader is, and what it gives."""

import importlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from edgekit.array import Array
from edgekit.pipeline.capture.settings import AnySettings, kind_of


@dataclass(frozen=True)
class Frame:
    """A picture that is there, and not decoded yet.

    Attributes:
        decode: gives it as uint8 `[height, width, 3]`, in memory that the reader leaves alone from
            then on; only before the next frame is asked for. Raises `InputError` where it is none.
        origin: where it came from, for people.
        taken_at_ns: when it was taken, by `time.monotonic_ns`.
        channels: the order of its colours.
        missed: pictures since the frame before that the reader let go, having read a newer one.
    """

    decode: Callable[[], Array]
    origin: str
    taken_at_ns: int = field(default_factory=time.monotonic_ns)
    channels: Literal["RGB", "BGR"] = "BGR"
    missed: int = 0


class Reader(Protocol):
    """Reads one source; made with its settings, opens nothing before `frames` is called.

    Attributes:
        is_live: pictures come whether or not somebody takes them, so old ones are skipped.
        is_one_stream: what spoils many of its pictures in a row spoils all.
    """

    is_live: bool
    is_one_stream: bool

    def frames(self, opened: Callable[[str], None]) -> Iterator[Frame | None]:
        """Opens the source and gives each picture; `None` where it lives but has none just now.

        Args:
            opened: is told once what the source turned out to be.

        Raises:
            InputError: the source cannot be read, or broke.
        """


def release_soon(release: Callable[[], object], *, patience_s: float = 1.0) -> None:
    """Releases a device, and does not wait for ever for one that hangs: its process ends soon."""
    releasing = threading.Thread(target=release, name="release", daemon=True)
    releasing.start()
    releasing.join(patience_s)


def reader_for(settings: AnySettings, readers: Mapping[str, str]) -> Reader:
    """The reader that a table of `module:Class` names for the settings' kind."""
    module, _, name = readers[kind_of(settings)].partition(":")
    made: Any = getattr(importlib.import_module(module), name)(settings)
    reader: Reader = made
    return reader
