"""The report as a document: every figure, and the rows that people read first."""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import msgspec

from edgekit.bundle import Manifest, Measured
from edgekit.compress.gates import Miss, unsettled_gates
from edgekit.compress.machine import Machine, peak_memory_bytes, this_machine
from edgekit.compress.measure import Against, Flip, Spread
from edgekit.compress.report import table
from edgekit.compress.running import StepDone
from edgekit.compress.sensitivity import LayerSensitivity
from edgekit.compress.sizes import LayerSize, layer_sizes

if TYPE_CHECKING:
    from edgekit.compress.workbench import Made, Workbench

_LITTLE_AGREEMENT = 0.85


class FrontPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate of a search.

    Attributes:
        name: what was done, in short.
        size_bytes: as it travels.
        agreement: share of held-out samples that get the original's answer.
        kl: divergence from the original's probabilities.
        latency: time over the original's.
        standing: `front` where no other candidate is better in one figure and as good in the
            others, `chosen` for the one that was taken.
    """

    name: str
    size_bytes: int
    agreement: float
    kl: float | None = None
    latency: float
    standing: Literal["chosen", "front", "beaten"] = "beaten"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The report as `--json` prints it; `docs/recipes.md` explains each field.

    The size of the archive, which holds the manifest, is known only after that is written.
    """

    name: str
    version: str
    task: str
    original: Measured
    original_milliseconds: float
    artifacts: tuple[Against, ...]
    held_out: int
    steps: tuple[StepDone, ...]
    layers: tuple[LayerSize, ...] = ()
    sensitivity: tuple[LayerSensitivity, ...] = ()
    front: tuple[FrontPoint, ...] = ()
    missed: tuple[Miss, ...] = ()
    warnings: tuple[str, ...] = ()
    machine: Machine
    seconds: float
    peak_memory_bytes: int
    facts: dict[str, str | float]
    provenance: dict[str, str]
    archive_bytes: int | None = None

    @property
    def first(self) -> Against:
        """The artifact that the bundle's first engine runs."""
        return self.artifacts[0]

    @property
    def artifact(self) -> Measured:
        """Its figures."""
        return self.first.measured

    @property
    def latency(self) -> Spread:
        """Its time over the original's."""
        return self.first.latency

    @property
    def changed(self) -> tuple[Flip, ...]:
        """The samples whose answer it changed."""
        return self.first.changed

    def columns(self) -> tuple[str, ...]:
        """What stands above `rows`."""
        return table.columns(self.artifacts)

    def rows(self) -> list[tuple[str, ...]]:
        """The table: what, the original, each artifact, and how they compare."""
        rows = table.rows(
            self.original, self.original_milliseconds, self.artifacts, f"{self.held_out} held out"
        )
        if self.archive_bytes is not None:
            archive = ("bundle (.tar.xz)", "", table.kilobytes(self.archive_bytes))
            rows.append((*archive, *[""] * (len(self.columns()) - len(archive))))
        return rows


def report_of(
    manifest: Manifest,
    bench: "Workbench",
    made: "Made",
    *,
    sensitivity: Sequence[LayerSensitivity],
    front: Sequence[FrontPoint],
    misses: Sequence[Miss],
    started: float,
) -> Report:
    """The report on an artifact."""
    comparison = made.comparison
    machine = this_machine()
    return Report(
        name=manifest.name,
        version=manifest.version,
        task=manifest.task,
        original=comparison.original,
        original_milliseconds=comparison.milliseconds,
        artifacts=comparison.artifacts,
        held_out=comparison.held_out,
        steps=tuple(made.steps),
        layers=tuple(layer_sizes(bench.trained.model, made.model)),
        sensitivity=tuple(sensitivity),
        front=tuple(front),
        missed=tuple(misses),
        warnings=(*bench.warnings, *_warnings(made, machine)),
        machine=machine,
        seconds=round(perf_counter() - started, 1),
        peak_memory_bytes=peak_memory_bytes(),
        facts=bench.trained.facts | {variant.label: str(variant) for variant in made.variants},
        provenance={
            "source SHA-256": str(manifest.provenance.source_sha256),
            **manifest.provenance.tools,
        },
    )


def _warnings(made: "Made", machine: Machine) -> list[str]:
    """What a person should know before the artifact goes to boards."""
    found = unsettled_gates(made.recipe.gates, made.comparison.artifacts)
    if any(getattr(step, "full_range", False) for step in made.recipe.steps):
        found.append(
            "the weights use all 8 bits: right on ARM and on x86 with VNNI, but an x86 board "
            "without VNNI saturates and loses accuracy without an error; full_range = false is "
            "safe everywhere"
        )
    if machine.saturates and made.recipe.steps:
        found.append("this x86 has no VNNI: INT8 is faster on boards that have it, and on ARM")
    for artifact in made.comparison.artifacts:
        measured = artifact.measured
        named = artifact.engine if len(made.forms) > 1 else "the artifact"
        if measured.agreement is not None and measured.agreement < _LITTLE_AGREEMENT:
            found.append(
                f"only {measured.agreement:.0%} of {named}'s answers are the original's; look at "
                "the recipe's input and at the most sensitive layers"
            )
        if artifact.latency.low > 1.05 and made.recipe.steps:
            found.append(
                f"{named} is slower than the original on this machine "
                f"({artifact.latency.median:.2f} of its time)"
            )
        if measured.size_bytes > made.comparison.original.size_bytes and made.recipe.steps:
            found.append(f"{named}'s file is larger than the original's")
    return found
