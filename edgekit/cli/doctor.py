"""`edgekit doctor`."""

import sys
from pathlib import Path

import click

_MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "problem": ("PROBLEM", "red")}


@click.command(short_help="Look whether a board has all it needs.")
@click.option("--config", type=click.Path(path_type=Path), help="Also look at what it names.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--within",
    "within_s",
    type=click.FloatRange(min=0.1),
    default=15.0,
    show_default=True,
    help="Seconds to wait for a picture.",
)
def doctor(config: Path | None, as_json: bool, within_s: float) -> None:
    """Look at clock, disk, memory, heat, power and versions, and with --config at the rest.

    Every finding says what to do. The exit code is 1 where there is a problem. Run it as the
    daemon's user (sudo -u edgekit), and stop the daemon first: a camera serves one program.
    """
    from edgekit.cli import show
    from edgekit.daemon.doctor.examination import examine

    findings = []
    for finding in examine(config, within_s=within_s):
        findings.append(finding)
        if not as_json:
            mark, colour = _MARKS[finding.grade]
            click.echo(f"{click.style(f'{mark:8}', fg=colour)} {finding.about}: {finding.what}")
            if finding.advice:
                click.echo(f"         -> {finding.advice}")
    problems = sum(finding.grade == "problem" for finding in findings)
    if as_json:
        show.json_document({"problems": problems, "findings": findings})
    sys.exit(1 if problems else 0)  # click swallows its own Exit where it is not standalone
