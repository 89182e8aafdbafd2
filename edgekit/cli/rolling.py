"""What commands that roll out share: their options, and how they show what happens."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgekit.cli.broker import broker_of
from edgekit.cli.passphrase import passphrases
from edgekit.errors import InputError

if TYPE_CHECKING:
    from rich.live import Live

    from edgekit.deploy.rollout.state import Change
    from edgekit.deploy.rollout.summary import Summary

Command = TypeVar("Command", bound=Callable[..., Any])

NOT_THROUGH = 8
"""The exit code of a rollout that did not come to its end."""

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(click.ParamType[float]):
    """Seconds, or a number with s, m, h or d behind it."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> float:
        """In seconds."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)([smhd]?)", str(value))
        if found is None:
            self.fail(f"{value!r} is no duration: write it as 90, 10m or 2h", param, context)
        return float(found[1]) * _UNITS[found[2]]


class OneOrFleet(click.Command):
    """A command for one board that is `rollout start` where `--fleet` is given, options and all."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Reads the arguments; the context is of the command that they are for."""
        if any(each == "--fleet" or each.startswith("--fleet=") for each in args):
            from edgekit.cli.rollout import start

            return start.make_context(info_name, args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command that the arguments were for."""
        return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)


def memory_option(command: Command) -> Command:
    """Adds the option that says which file remembers rollouts, as `memory`."""
    return click.option(
        "--state", "memory", type=click.Path(path_type=Path, dir_okay=False),
        help="The file that remembers rollouts; by default in your state folder.",
    )(command)  # fmt: skip


def order_options(command: Command) -> Command:
    """Adds the options that say to whom and how a bundle is rolled out."""
    share = click.FloatRange(0, 1)
    options = [
        click.option("--fleet", help="To which fleet."),
        click.option("--name", help="Of the rollout; by default the bundle's and its version."),
        click.option("--where", "labels", default="", help="A group: site=north,kind!=jetson."),
        click.option("--devices", help="Boards by name, with commas between; in place of all."),
        click.option("--waves", default="1%,10%,100%", show_default=True,
                     help="How many boards may have begun by the end of each."),
        click.option("--at-once", type=click.IntRange(1), default=100, show_default=True,
                     help="How many boards may be under way at the same time."),
        click.option("--pause", "pause_s", type=Duration(), default="10m", show_default=True,
                     help="Between a wave and the next."),
        click.option("--deadline", "deadline_s", type=Duration(), default="1h", show_default=True,
                     help="How long a wave waits for its boards."),
        click.option("--min-success", type=share, default=0.95, show_default=True,
                     help="The share that must have committed at the end of a wave."),
        click.option("--max-errors", type=share, default=0.02, show_default=True,
                     help="The share of a wave's size that may fail."),
        click.option("--seed", help="Of the boards' order; by default the rollout's name."),
        click.option("--repository", type=click.Path(path_type=Path),
                     help="Publish the bundle in this folder first, and check it."),
        click.option("--keys", "folders", type=click.Path(path_type=Path), multiple=True,
                     help="A folder of keys, to publish with; give it again for more."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def start_rollout(bundle: Path, options: dict[str, Any]) -> int:
    """Begins a rollout and watches it; gives the exit code.

    Args:
        bundle: the folder.
        options: what `order_options`, `key_options`, `memory_option` and `broker_options` gave,
            and `as_json`.

    Raises:
        EdgekitError: it cannot begin.
    """
    from edgekit.bundle import open_bundle
    from edgekit.deploy.keys import KeyRing
    from edgekit.deploy.rollout import Desk, Order, roll_out

    given = dict(options)
    as_json, memory = given.pop("as_json"), given.pop("memory")
    folders, repository = given.pop("folders"), given.pop("repository")
    words = passphrases(given.pop("passphrase_file"), given.pop("online_passphrase_file"))
    order = {
        name: given.pop(name)
        for name in (
            "name",
            "waves",
            "at_once",
            "pause_s",
            "deadline_s",
            "min_success",
            "max_errors",
            "seed",
        )
    }
    fleet, labels, devices = given.pop("fleet"), given.pop("labels"), given.pop("devices")
    settings, configured = broker_of(given)
    fleet = fleet or configured
    if fleet is None:
        raise InputError("which fleet? Give --fleet NAME or --config FILE")
    if folders and repository is None:
        raise InputError("--keys sign a repository: name it with --repository")
    opened = open_bundle(bundle)
    with shown(as_json) as screen:
        summary = roll_out(
            opened,
            Order(
                fleet=fleet,
                where=labels,
                devices=tuple(each for each in (devices or "").split(",") if each),
                **order,
            ),
            Desk(settings, memory, show=screen.show, say=screen.say),
            repository=repository,
            keys=KeyRing(folders, words) if folders else None,
        )
    screen.close(summary)
    return exit_code(summary)


class Screen:
    """Shows a rollout: a live table in a terminal, a line a change elsewhere, or JSON."""

    def __init__(self, *, as_json: bool, live: "Live | None") -> None:
        self._as_json = as_json
        self._live = live

    def say(self, line: str) -> None:
        """A line for the operator."""
        click.echo(f"edgekit: {line}", err=True)

    def show(self, summary: "Summary", changes: "list[Change]") -> None:
        """Where it is, and what has changed."""
        from edgekit.deploy.rollout.table import change_line, drawing

        if self._live is not None:
            self._live.update(drawing(summary))
        elif self._as_json:
            for change in changes:
                row = {"at": change.at_ms, "board": change.who or None, "what": change.what}
                click.echo(json.dumps(row))
        else:
            for change in changes:
                click.echo(change_line(change))

    def close(self, summary: "Summary") -> None:
        """Says where it has come to."""
        from edgekit.deploy.rollout.table import closing_lines

        if self._as_json:
            click.echo(json.dumps({"summary": summary.document()}))
        else:
            for line in closing_lines(summary):
                click.echo(line)


def exit_code(summary: "Summary") -> int:
    """What the command leaves with."""
    return 0 if summary.state == "finished" else NOT_THROUGH


@contextmanager
def shown(as_json: bool) -> Iterator[Screen]:
    """A screen for as long as a rollout is watched; an interrupt leaves the rollout as it is."""
    live = None
    if not as_json and sys.stdout.isatty():
        with suppress(ModuleNotFoundError):
            from rich.live import Live

            live = Live(refresh_per_second=4, transient=True)
    screen = Screen(as_json=as_json, live=live)
    try:
        if live is None:
            yield screen
        else:
            with live:
                yield screen
    except KeyboardInterrupt:
        screen.say("left; boards that have begun come to their end: edgekit rollout resume goes on")
        raise
