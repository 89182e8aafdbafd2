"""What compression found, for people and for programs."""

from importlib.resources import files
from pathlib import Path

import msgspec
from jinja2 import Environment, StrictUndefined

from edgekit.bundle import Manifest, Measured
from edgekit.compress.measure import Comparison


class Change(msgspec.Struct, frozen=True):
    """A sample whose answer changed."""

    input: str
    original: str
    artifact: str


class Spread(msgspec.Struct, frozen=True):
    """A ratio of times: the median, and where the middle 80 % of rounds lie."""

    median: float
    low: float
    high: float


class Report(msgspec.Struct, frozen=True):
    """The report as `--json` prints it; `docs/recipes.md` explains each field.

    `latency` is the artifact's time over the original's, on the machine that compressed; the size
    of the archive, which holds the manifest, is known only after that is written.
    """

    name: str
    version: str
    task: str
    steps: list[str]
    original: Measured
    artifact: Measured
    held_out: int
    latency: Spread
    changed: list[Change]
    facts: dict[str, str | float]
    provenance: dict[str, str]
    archive_bytes: int | None = None
    bundle: str | None = None

    @classmethod
    def of(
        cls, manifest: Manifest, facts: dict[str, str | float], comparison: Comparison
    ) -> "Report":
        """The report on a bundle."""
        latency = comparison.latency
        return cls(
            name=manifest.name,
            version=manifest.version,
            task=manifest.task,
            steps=[step["do"] for step in manifest.provenance.recipe["steps"]],
            original=comparison.measured.original,
            artifact=comparison.measured.artifact,
            held_out=comparison.held_out,
            latency=Spread(latency.median, latency.low, latency.high),
            changed=[Change(f.name, f.original, f.artifact) for f in comparison.flips],
            facts=facts,
            provenance={
                "source SHA-256": str(manifest.provenance.source_sha256),
                **manifest.provenance.tools,
            },
        )

    def rows(self) -> list[tuple[str, str, str, str]]:
        """The table: what, original, artifact, and how they compare."""
        was, is_now = self.original, self.artifact
        rows = [
            (
                "model file",
                _kilobytes(was.size_bytes),
                _kilobytes(is_now.size_bytes),
                f"{is_now.size_bytes / was.size_bytes:.1%} of it",
            )
        ]
        for title, before, after in (
            ("top-1", was.top1, is_now.top1),
            ("top-5", was.top5, is_now.top5),
        ):
            if before is not None and after is not None:
                points = (after - before) * 100
                rows.append(
                    (
                        f"{title}, {was.samples} samples",
                        f"{before:.1%}",
                        f"{after:.1%}",
                        f"{points:+.1f} points",
                    )
                )
        if is_now.agreement is not None:
            rows.append((f"agreement, {self.held_out} held out", "", f"{is_now.agreement:.1%}", ""))
        spread = self.latency
        rows.append(
            (
                "latency, 1 thread",
                "1",
                f"{spread.median:.2f}",
                f"{1 / spread.median:.2f} x as fast ({1 / spread.high:.2f}-{1 / spread.low:.2f})",
            )
        )
        if self.archive_bytes is not None:
            rows.append(("bundle as it travels (.tar.xz)", "", _kilobytes(self.archive_bytes), ""))
        return rows


def report_html(report: Report) -> str:
    """The report as one self-contained page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = files("edgekit.compress").joinpath("report.html.jinja").read_text("utf-8")
    return environment.from_string(template).render(report=report, bars=_bars(report))


def write_report_json(report: Report, path: Path) -> None:
    """Writes the report as indented JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def _bars(report: Report) -> list[tuple[str, list[tuple[str, float, str]]]]:
    """Charts: title, and for each bar its name, its share of the longest, and its label."""
    was, is_now = report.original, report.artifact
    size = max(was.size_bytes, is_now.size_bytes)
    slowest = max(1.0, report.latency.median)
    charts = [
        (
            "Size of the model file",
            [
                ("original", was.size_bytes / size, _kilobytes(was.size_bytes)),
                ("artifact", is_now.size_bytes / size, _kilobytes(is_now.size_bytes)),
            ],
        ),
        (
            "Time for one sample, one thread",
            [
                ("original", 1 / slowest, "1"),
                ("artifact", report.latency.median / slowest, f"{report.latency.median:.2f}"),
            ],
        ),
    ]
    if was.top1 is not None and is_now.top1 is not None:
        charts.append(
            (
                f"Top-1 accuracy on {was.samples} samples",
                [
                    ("original", was.top1, f"{was.top1:.1%}"),
                    ("artifact", is_now.top1, f"{is_now.top1:.1%}"),
                ],
            )
        )
    return charts


def _kilobytes(size_bytes: int) -> str:
    return f"{size_bytes / 1000:,.1f} kB"
