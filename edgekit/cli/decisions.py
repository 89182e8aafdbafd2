"""`edgekit decisions`."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgekit.pipeline.decision_records import Decision

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _moment(context: click.Context, option: click.Parameter, text: str | None) -> int | None:
    """Milliseconds since 1970 UTC; what names no time zone is UTC.

    It is a date and time, or how long ago: `2026-03-01T12:00`, `2026-03-01`, `90m`, `2h`, `7d`.
    """
    if text is None:
        return None
    try:
        if ago := re.fullmatch(r"([0-9]{1,6})([smhd])", text):
            moment = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is neither a date like 2026-03-01T12:00 nor an age like 2h"
        ) from error


@click.command(short_help="List what was decided, and by which model version.")
@click.argument("state_dir", type=click.Path(path_type=Path))
@click.option("--pipeline", help="Only the predictions of this pipeline.")
@click.option("--rule", help="Only the firings of this rule.")
@click.option("--since", callback=_moment, help="Not before this: a date, or an age such as 2h.")
@click.option("--until", callback=_moment, help="Before this.")
@click.option("--model", help="Only by this bundle: name, 'name version' or short hash.")
@click.option("--label", help="Only where this was the likeliest class.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000_000))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def decisions(
    state_dir: Path,
    pipeline: str | None,
    rule: str | None,
    since: int | None,
    until: int | None,
    model: str | None,
    label: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the decision log in STATE_DIR, oldest first: the newest ones that fit the limit."""
    import msgspec

    from edgekit.pipeline.decision_records import FILE_NAME, Query, read_decisions

    path = state_dir / FILE_NAME if state_dir.is_dir() else state_dir
    found = read_decisions(path, Query(pipeline, rule, since, until, model, label, limit))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        return
    for decision in found:
        click.echo(_line(decision))
    if not found:
        click.echo("nothing was decided that fits", err=True)


def _line(decision: "Decision") -> str:
    try:
        at = datetime.fromtimestamp(decision.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):  # the board's clock was far off
        at = f"{decision.at_ms} ms"
    if decision.kind == "rule":
        facts = " ".join(f"{name}={value}" for name, value in (decision.facts or {}).items())
        what = f"fired: {decision.expression} ({facts})"
    else:
        what = f"{decision.model_name} {decision.model_version} {decision.model_hash}"
        if decision.label is not None:
            what += f"  {decision.label} {decision.p or 0.0:.3f}"
        if decision.score is not None:
            what += f"  score {decision.score:.4g}{' anomalous' if decision.anomalous else ''}"
    return f"{at}  {decision.name}  {what}  {decision.boot}/{decision.seq}"
