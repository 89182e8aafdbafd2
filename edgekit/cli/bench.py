"""`edgekit bench`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli import show

if TYPE_CHECKING:
    from edgekit.bench.report import BenchReport

_FOLDER = click.Path(path_type=Path)


@click.command(short_help="Measure a bundle on this machine.")
@click.argument("bundle", type=_FOLDER)
@click.option("--against", type=_FOLDER, metavar="OTHER", help="Another bundle, side by side.")
@click.option("--engine", type=click.Choice(["onnxruntime", "litert", "all"]),
              help="By default the first; all: every engine and variant.")  # fmt: skip
@click.option("--variant", metavar="NAME", help="A form of the model, such as fp32.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--samples", type=click.IntRange(1), default=200, show_default=True,
              help="How many to time of each.")  # fmt: skip
@click.option("--provider", "providers", multiple=True, metavar="NAME",
              help="An execution provider of onnxruntime's; the most wanted first.")  # fmt: skip
@click.option("--arena", is_flag=True, help="Let onnxruntime keep freed memory.")
@click.option("--sensors", type=_FOLDER, default=Path("/"), help="Where /sys is.", hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def bench(
    bundle: Path,
    against: Path | None,
    engine: Any,
    variant: str | None,
    threads: int,
    samples: int,
    providers: tuple[str, ...],
    arena: bool,
    sensors: Path,
    as_json: bool,
) -> None:
    """Measure BUNDLE on this machine: time, memory, and energy where a sensor tells.

    Everything is timed in one interleaved run, sample by sample. Memory is measured in a fresh
    process for each. With --against, B's time over A's is given round by round: the median, and
    where the middle 80 % lie.
    """
    from edgekit.bench.measuring import bench_bundle
    from edgekit.bundle import MAIN
    from edgekit.runtime.options import EngineOptions

    report = bench_bundle(
        bundle,
        against=against,
        engine=engine,
        variant=variant or MAIN,
        options=EngineOptions(threads=threads, arena=arena, providers=providers),
        samples=samples,
        root=sensors,
        progress=show.Bars().count,
    )
    if as_json:
        show.json_document(report)
        return
    _show(report)


def _show(report: "BenchReport") -> None:
    for each in report.bundles:
        tag = f"{each.tag}: " if len(report.bundles) > 1 else ""
        click.echo(f"{tag}{each.name} {each.version} ({each.hash})  {each.path}")
    for rows in report.tables():
        click.echo()
        show.table(rows, right=range(1, len(rows[0])), header=True)
    lines = report.lines()
    if lines:
        click.echo()
    for line in lines:
        click.echo(line)
