"""Which engine a board chose for a bundle, and why: kept from one start to the next."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from edgekit.bundle import Bundle
from edgekit.bundle.manifest import EngineName
from edgekit.runtime.kept_file import remove_beyond, write_whole

_FORMAT = 1
_CAP_BYTES = 256_000
_LIMIT_BYTES = 64_000


class Contender(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way of running a bundle.

    Attributes:
        label: engine, or variant and engine.
        engine: what runs it.
        variant: which form of the model.
        threads: how many compute.
        ratio: its time over that of the first that passed; `None` where it is out or untimed.
        low: where the middle 80 % of rounds of its own duel begin.
        high: where they end.
        out: why it may not run here.
    """

    label: str
    engine: EngineName
    variant: str
    threads: int
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    out: str | None = None

    def __str__(self) -> str:
        if self.out is not None:
            return f"out: {self.out}"
        if self.ratio is None:
            return "not timed"
        if self.low is None or self.high is None:
            return f"{self.ratio:.2f}"
        return f"{self.ratio:.2f} ({self.low:.2f}-{self.high:.2f})"


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The way that was the fastest among those that passed the golden check on this CPU.

    Attributes:
        engine: what is to run the bundle.
        variant: which form of the model.
        threads: how many compute.
        contenders: every way that was looked at, in order.
        remembered: whether this was found at an earlier start.
    """

    engine: EngineName
    variant: str
    threads: int
    contenders: tuple[Contender, ...]
    remembered: bool = False

    @property
    def label(self) -> str:
        """What was chosen, for people."""
        return next(way.label for way in self.contenders if self.is_of(way))

    def is_of(self, way: Contender) -> bool:
        """Whether this way is the one that was chosen."""
        mine = (self.engine, self.variant, self.threads)
        return (way.engine, way.variant, way.threads) == mine

    def rows(self) -> list[tuple[str, str, str, str]]:
        """A row for each contender: label, threads, time over the first's or why it is out."""
        return [
            (way.label, str(way.threads), str(way), "<- chosen" if self.is_of(way) else "")
            for way in self.contenders
        ]

    def table(self) -> str:
        """`rows` in columns, for a log or a terminal."""
        rows = self.rows()
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def line(self) -> str:
        """All of it on one line."""
        ways = ", ".join(
            f"{label}{f' x {threads}' if threads != '1' else ''} {says}"
            for label, threads, says, _ in self.rows()
        )
        again = ", as found before" if self.remembered else ""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"engine {self.label}, {threads}{again}; times: {ways}"


def choice_key(
    bundle: Bundle, *, versions: Mapping[str, str], cpu: str, settings: Sequence[object]
) -> str:
    """The name of all that a choice depends on: 32 hexadecimal digits."""
    parts = [_FORMAT, bundle.digest, sorted(versions.items()), cpu, list(settings)]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:32]


def recall(folder: Path, key: str, bundle: Bundle) -> Choice | None:
    """The choice that was kept under a key, if it is there, whole, and one of this bundle's."""
    try:
        path = folder / f"{key}.json"
        if path.stat().st_size > _LIMIT_BYTES:
            return None
        choice = msgspec.json.decode(path.read_bytes(), type=Choice)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    there = {(artifact.engine, artifact.variant) for artifact in bundle.artifacts()}
    chosen = [way for way in choice.contenders if choice.is_of(way) and way.out is None]
    if not chosen or not {(way.engine, way.variant) for way in choice.contenders} <= there:
        return None
    return msgspec.structs.replace(choice, remembered=True)


def remember(folder: Path, key: str, choice: Choice) -> bool:
    """Keeps a choice for the next start; says whether that worked."""
    place = folder / f"{key}.json"
    try:
        write_whole(place, msgspec.json.encode(choice))
    except OSError:
        return False
    remove_beyond(folder.glob("*.json"), cap_bytes=_CAP_BYTES, keep=place)
    return True


def forget(folder: Path, key: str) -> None:
    """Removes a choice that does not hold any more."""
    with suppress(OSError):
        (folder / f"{key}.json").unlink()
