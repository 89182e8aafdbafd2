"""How commands show what compression or training found."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgekit.cli import show

if TYPE_CHECKING:
    from edgekit.compress.report import Report
    from edgekit.zoo.training import TrainingReport

_MARKS = {"chosen": "<- chosen", "front": "*", "beaten": ""}


def show_report(report: "Report", out: Path | None, *, as_json: bool) -> None:
    """Prints the figures of an artifact, and the front of the search that found it.

    Args:
        report: the figures.
        out: the bundle, or `None` if it was not written.
        as_json: print one JSON document instead.
    """
    if as_json:
        show.json_document(report)
        return
    if report.front:
        _show_front(report)
    numbers = range(1, 2 + len(report.artifacts))
    show.table([report.columns(), *report.rows()], right=numbers, header=True)
    for what, value in report.facts.items():
        click.echo(f"{what}: {value:.4g}" if isinstance(value, float) else f"{what}: {value}")
    for warning in report.warnings:
        show.warning(warning)
    if out is not None:
        click.echo(f"wrote {out} and {out / 'report.html'}")


def show_training(report: "TrainingReport", out: Path, *, as_json: bool) -> None:
    """Prints the figures of a training.

    Args:
        report: the figures.
        out: the folder that was written.
        as_json: print one JSON document instead.
    """
    if as_json:
        show.json_document(report)
        return
    training, validation = report.samples["training"], report.samples["validation"]
    samples = f"{training:,}" if report.folds else f"{training:,} + {validation:,}"
    rows = [("samples", samples), ("epochs", f"{len(report.history)}, the best is {report.best}")]
    rows += [(name.replace("-", " "), f"{value:.1%}") for name, value in report.scores.items()]
    if report.validation_loss is not None:
        rows.append(("validation loss", f"{report.validation_loss:.4g}"))
    rows += [
        (what, f"{value:.4g}" if isinstance(value, float) else value)
        for what, value in report.facts.items()
    ]
    rows.append(("time", f"{report.seconds:.1f} s"))
    show.table(rows, right=(1,))
    click.echo(f"wrote {out} and {out / 'report.html'}")


def _show_front(report: "Report") -> None:
    """Every candidate, the smallest first; those on the front have a star."""
    rows = [("candidate", "under xz", "agreement", "KL", "time", "")]
    rows += [
        (
            point.name,
            f"{point.size_bytes / 1000:,.1f} kB",
            f"{point.agreement:.1%}",
            "" if point.kl is None else f"{point.kl:.4f}",
            f"{point.latency:.2f}",
            _MARKS[point.standing],
        )
        for point in sorted(report.front, key=lambda point: point.size_bytes)
    ]
    show.table(rows, right=(1, 2, 3, 4), header=True)
    click.echo("* none is better in every figure\n")
