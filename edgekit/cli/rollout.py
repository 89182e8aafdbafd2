"""`edgekit rollout`."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.broker import broker_of, broker_options
from edgekit.cli.passphrase import key_options
from edgekit.cli.rolling import (
    NOT_THROUGH,
    exit_code,
    memory_option,
    order_options,
    shown,
    start_rollout,
)
from edgekit.errors import InputError

if TYPE_CHECKING:
    from edgekit.deploy.rollout import Desk, Summary
    from edgekit.deploy.rollout.record import Record
    from edgekit.deploy.rollout.state import Key

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, a document a line.")
_FLEET = click.option("--fleet", help="Which fleet; by default the configuration file's.")
_SHARE = click.FloatRange(0, 1)


@click.group(short_help="Roll bundles out to a fleet in waves.")
def rollout() -> None:
    """Bring a bundle to the boards of a fleet, wave by wave.

    What was done is retained at the broker and remembered in a file, so that a rollout can be left
    and gone on with here or elsewhere. Exit code 8 says that it did not come to its end.
    """


@rollout.command(short_help="Begin a rollout, and watch it to its end.")
@click.argument("bundle", type=click.Path(path_type=Path))
@order_options
@key_options
@memory_option
@broker_options
@_JSON
def start(bundle: Path, **options: Any) -> int:
    """Roll BUNDLE out to the boards of a fleet."""
    return start_rollout(bundle, options)


@rollout.command(short_help="Go on with a rollout that was paused, stopped or left.")
@click.argument("name")
@_FLEET
@click.option("--min-success", type=_SHARE, help="In place of the plan's.")
@click.option("--max-errors", type=_SHARE, help="In place of the plan's.")
@memory_option
@broker_options
@_JSON
def resume(
    name: str,
    fleet: str | None,
    min_success: float | None,
    max_errors: float | None,
    memory: Path | None,
    as_json: bool,
    **where: Any,
) -> int:
    """Go on with the rollout NAME from here; the workstation that had it stands down."""
    from edgekit.deploy.rollout import carry_on

    def turn(desk: "Desk", fleet: str) -> "Summary":
        return carry_on(desk, fleet, name, min_success=min_success, max_errors=max_errors)

    return exit_code(_at_desk(turn, fleet, memory, as_json, where))


@rollout.command(short_help="Begin no further boards.")
@click.argument("name")
@_FLEET
@memory_option
@broker_options
def pause(name: str, fleet: str | None, memory: Path | None, **where: Any) -> None:
    """Have the rollout NAME begin no further boards; those that have begun come to their end."""
    from edgekit.deploy.rollout import Desk
    from edgekit.deploy.rollout import pause as wish_pause

    settings, configured = broker_of(where)
    wish_pause(Desk(settings, memory), _fleet(fleet, configured), name)
    click.echo(f"{name}: paused; go on with `edgekit rollout resume {name}`")


@rollout.command(short_help="End a rollout; boards that have not begun hear no more of it.")
@click.argument("name")
@_FLEET
@click.option("--revert", is_flag=True, help="Send boards that have committed back as well.")
@memory_option
@broker_options
@_JSON
def abort(
    name: str, fleet: str | None, revert: bool, memory: Path | None, as_json: bool, **where: Any
) -> int:
    """End the rollout NAME. Boards that have committed keep the bundle, but for --revert."""
    from edgekit.deploy.rollout import abort as wish_abort

    def turn(desk: "Desk", fleet: str) -> "Summary":
        return wish_abort(desk, fleet, name, revert=revert)

    ended = _at_desk(turn, fleet, memory, as_json, where)
    return NOT_THROUGH if revert and ended.committed + ended.busy else 0


@rollout.command(short_help="Take a rollout that has ended off the lists.")
@click.argument("name")
@_FLEET
@memory_option
@broker_options
def forget(name: str, fleet: str | None, memory: Path | None, **where: Any) -> None:
    """Take the rollout NAME, which has ended, off the broker; boards stay as they are."""
    from edgekit.deploy.rollout import Desk
    from edgekit.deploy.rollout import forget as forget_rollout

    settings, configured = broker_of(where)
    forget_rollout(Desk(settings, memory), _fleet(fleet, configured), name)
    click.echo(f"{name}: forgotten")


@rollout.command("list", short_help="List rollouts.")
@_FLEET
@memory_option
@broker_options
@_JSON
def list_(fleet: str | None, memory: Path | None, as_json: bool, **where: Any) -> None:
    """List a fleet's rollouts; without a broker, those that this workstation remembers."""
    found = _records(fleet, memory, where)
    for key, record in found.items():
        plan, standing = record.plan, record.standing
        if as_json:
            row = {"name": key.name, "fleet": key.fleet, "bundle": plan.bundle}
            row |= {"version": plan.version, "state": standing.state, "reason": standing.reason}
            click.echo(json.dumps({**row, "boards": len(plan.boards)}))
            continue
        began = datetime.fromtimestamp(plan.started / 1000, UTC).astimezone()
        click.echo(
            f"{key.name}  {plan.bundle} {plan.version}  {key.fleet}  {len(plan.boards)} boards  "
            f"{began:%Y-%m-%d %H:%M}  {standing.state}"
        )
    if not found and not as_json:
        click.echo("no rollouts")


@rollout.command(short_help="Show one rollout, its boards and its history.")
@click.argument("name")
@_FLEET
@click.option("--boards", "with_boards", is_flag=True, help="A line a board.")
@memory_option
@broker_options
@_JSON
def show(
    name: str,
    fleet: str | None,
    with_boards: bool,
    memory: Path | None,
    as_json: bool,
    **where: Any,
) -> None:
    """Show the rollout NAME; its boards and history as this workstation remembers them."""
    from edgekit.deploy.rollout.rolling import memory_path
    from edgekit.deploy.rollout.state import Memory
    from edgekit.deploy.rollout.summary import summarise
    from edgekit.deploy.rollout.table import change_line, closing_lines, printable

    found = {
        key: record for key, record in _records(fleet, memory, where).items() if key.name == name
    }
    if not found:
        raise InputError(f"{name}: no such rollout; `edgekit rollout list` has them")
    for key, record in found.items():
        with Memory(memory_path(memory)) as opened:
            boards, changes = opened.boards(key), opened.changes(key)
        summary = summarise(name, key.fleet, record.plan, record.standing, boards)
        if as_json:
            click.echo(json.dumps(summary.document()))
            continue
        for line in (*closing_lines(summary), *map(change_line, changes)):
            click.echo(line)
        for board in boards.values() if with_boards else ():
            click.echo(printable(f"{board.name}  {board.phase or 'not begun'}  {board.reason}"))


def _records(fleet: str | None, memory: Path | None, where: dict[str, Any]) -> "dict[Key, Record]":
    """The rollouts that are retained at a broker; without one, those that are remembered here."""
    from edgekit.deploy.rollout import Desk
    from edgekit.deploy.rollout.record import read_record
    from edgekit.deploy.rollout.rolling import memory_path, records
    from edgekit.deploy.rollout.state import Memory

    if all(value is None for value in where.values()):
        with Memory(memory_path(memory)) as opened:
            return {
                key: read_record(opened.parts(key), key.name)
                for key in opened.keys()  # noqa: SIM118  # it is no dictionary
                if fleet in (None, key.fleet)
            }
    settings, configured = broker_of(where)
    named, desk = _fleet(fleet, configured), Desk(settings, memory)
    with desk.open() as (line, _, _me):
        return {desk.key(named, name): record for name, record in records(line, named).items()}


def _at_desk(
    turn: "Callable[[Desk, str], Summary]",
    fleet: str | None,
    memory: Path | None,
    as_json: bool,
    where: dict[str, Any],
) -> "Summary":
    from edgekit.deploy.rollout import Desk

    settings, configured = broker_of(where)
    with shown(as_json) as screen:
        desk = Desk(settings, memory, show=screen.show, say=screen.say)
        summary = turn(desk, _fleet(fleet, configured))
    screen.close(summary)
    return summary


def _fleet(fleet: str | None, configured: str | None) -> str:
    named = fleet or configured
    if named is None:
        raise InputError("which fleet? Give --fleet NAME or --config FILE")
    return named
