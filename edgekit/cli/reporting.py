"""How commands show what compression found."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgekit.cli import show

if TYPE_CHECKING:
    from edgekit.compress.report import Report


def show_report(report: "Report", out: Path | None, *, as_json: bool) -> None:
    """Prints the figures of an artifact.

    Args:
        report: the figures.
        out: the bundle, or `None` if it was not written.
        as_json: print one JSON document instead.
    """
    if as_json:
        show.json_document(report)
        return
    numbers = range(1, 2 + len(report.artifacts))
    show.table([report.columns(), *report.rows()], right=numbers, header=True)
    for what, value in report.facts.items():
        click.echo(f"{what}: {value:.4g}" if isinstance(value, float) else f"{what}: {value}")
    for warning in report.warnings:
        click.secho(f"warning: {warning}", fg="yellow", err=True)
    if out is not None:
        click.echo(f"wrote {out} and {out / 'report.html'}")
