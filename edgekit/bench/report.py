"""What `edgekit bench` found, as a document and as tables. `docs/bench.md` explains each field."""

from collections.abc import Sequence

import msgspec

from edgekit.bench.memory import Footprint
from edgekit.bundle.manifest import EngineName


class Spread(msgspec.Struct, frozen=True):
    """A ratio of times, round by round: the median, and where the middle 80 % of rounds lie."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f}-{self.high:.3f})"


class BenchedBundle(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle that was measured; `tag` is A, or B for the one it is held against."""

    tag: str
    path: str
    name: str
    version: str
    hash: str


class Milliseconds(msgspec.Struct, frozen=True, kw_only=True):
    """Times of one sample from the source's array to the prediction, and medians of its stages."""

    p50: float
    p95: float
    p99: float
    prepare: float
    infer: float
    interpret: float


class Benched(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact, run by one engine.

    Attributes:
        tag: of its bundle.
        label: engine, or variant and engine.
        engine: what ran it.
        engine_version: of the library.
        provider: what computed, as the library calls it.
        variant: which form of the model.
        threads: how many computed.
        samples: how many were timed.
        ms: the times.
        per_second: samples a second, one after another.
        ratio: its time over the first artifact's; `None` for the first.
        memory: what it takes in a fresh process.
        energy_mj: millijoules a sample, all else that the sensor sees included.
    """

    tag: str
    label: str
    engine: EngineName
    engine_version: str
    provider: str
    variant: str
    threads: int
    samples: int
    ms: Milliseconds
    per_second: float
    ratio: Spread | None = None
    memory: Footprint | None = None
    energy_mj: float | None = None


class Excluded(msgspec.Struct, frozen=True):
    """An artifact that does not run here, and why."""

    tag: str
    label: str
    reason: str


class Heat(msgspec.Struct, frozen=True, kw_only=True):
    """How the board was before and after; `None` where it does not say."""

    before_c: float | None
    after_c: float | None
    held_back: bool | None
    """Whether heat or a weak supply held the processor back, before or after."""


class BenchReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found."""

    bundles: tuple[BenchedBundle, ...]
    results: tuple[Benched, ...]
    excluded: tuple[Excluded, ...] = ()
    heat: Heat
    energy_source: str | None = None

    def tables(self) -> list[list[tuple[str, ...]]]:
        """Tables for people, each with its header first: time, stages, and what it takes."""
        several = len(self.results) > 1
        has_energy = any(result.energy_mj is not None for result in self.results)
        names = [self._named(result) for result in self.results]
        over, energy = ((f"time over {names[0]}'s",), ("energy",))
        time: list[tuple[str, ...]] = [("", "p50", "p95", "p99", "a second", *over[:several])]
        stages: list[tuple[str, ...]] = [("median ms", "prepare", "infer", "interpret")]
        takes: list[tuple[str, ...]] = [("", "load", "memory", "peak", *energy[:has_energy])]
        for name, result in zip(names, self.results, strict=True):
            ms = result.ms
            percentiles = [f"{value:.2f} ms" for value in (ms.p50, ms.p95, ms.p99)]
            ratio = [str(result.ratio or "1")][:several]
            time.append((name, *percentiles, f"{result.per_second:,.1f}", *ratio))
            parts = (ms.prepare, ms.infer, ms.interpret)
            stages.append((name, *(f"{value:.3f}" for value in parts)))
            spent = ["" if result.energy_mj is None else f"{result.energy_mj:.3g} mJ"][:has_energy]
            takes.append((name, *_memory(result.memory), *spent))
        return [time, stages, takes]

    def lines(self) -> list[str]:
        """What else there is to say, a line each."""
        found = [
            f"{self._tagged(left.tag, left.label)} does not run here: {left.reason}"
            for left in self.excluded
        ]
        if self.heat.before_c is not None and self.heat.after_c is not None:
            found.append(f"temperature: {self.heat.before_c:.0f} C, then {self.heat.after_c:.0f} C")
        if self.heat.held_back:
            found.append("the processor was held back by heat or a weak supply: cool it, and again")
        if self.energy_source is None:
            found.append("energy: no sensor that this user may read")
        else:
            found.append(f"energy by {self.energy_source}; idle power is in it")
        return found

    def _named(self, result: Benched) -> str:
        threads = "" if result.threads == 1 else f", {result.threads} threads"
        return self._tagged(result.tag, result.label) + threads

    def _tagged(self, tag: str, label: str) -> str:
        return f"{tag} {label}" if len(self.bundles) > 1 else label


def _memory(memory: Footprint | None) -> Sequence[str]:
    if memory is None:
        return ("", "", "")
    return (
        f"{memory.load_ms:.1f} ms",
        f"+{memory.growth_bytes / 1e6:.1f} MB",
        f"{memory.peak_bytes / 1e6:.1f} MB",
    )
