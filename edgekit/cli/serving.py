"""`edgekit federate serve`, and what goes with it."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.passphrase import key_options, passphrases
from edgekit.cli.rolling import NOT_THROUGH
from edgekit.errors import InputError

if TYPE_CHECKING:
    from rich.live import Live

    from edgekit.bundle import Bundle
    from edgekit.federated.coordinator.changes import Change
    from edgekit.federated.coordinator.summary import Summary
    from edgekit.federated.job import Job

_JOB = click.argument("job", type=click.Path(path_type=Path, dir_okay=False))
_NEWEST = 5


@click.command(short_help="Lead rounds over MQTT, as a file says.")
@_JOB
@key_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a document a line.")
def serve(
    job: Path, passphrase_file: Path | None, online_passphrase_file: Path | None, as_json: bool
) -> int:
    """Lead the rounds that the file JOB describes, to their end.

    What was done is remembered in the job's state folder: after Ctrl-C or a crash the same command
    goes on. At the end the learned parameters become a bundle, where the job says so. Exit code 8
    says that the rounds did not come to their end.
    """
    from edgekit.federated.coordinator import serve as serve_job
    from edgekit.federated.coordinator.result import write_result
    from edgekit.federated.job import load_job, open_job

    given = load_job(job)
    opened = open_job(given, source=str(job))
    with shown(as_json) as screen:
        served = serve_job(opened, show=screen.show)
        screen.close(served.summary)
    if served.summary.state != "finished":
        return NOT_THROUGH
    if given.result is None or served.round is None:
        return 0
    bundle = write_result(opened, served.model.parameters, given.result)
    manifest = bundle.manifest
    screen.say(f"wrote {bundle.path}: {manifest.name} {manifest.version}")
    return _hand_over(given, bundle, passphrase_file, online_passphrase_file, as_json)


@click.command(short_help="Print the broker's access list for a coordinator.")
@_JOB
@click.option("--user", help="The coordinator's at the broker; by default the job's.")
def acl(job: Path, user: str | None) -> None:
    """Print lines of mosquitto's `acl_file` for the coordinator of JOB.

    Boards need none beyond what `edgekit provision` gives them.
    """
    from edgekit.federated.coordinator.access import coordinator_lines
    from edgekit.federated.job import load_job
    from edgekit.messaging.topics import FederatedTopics

    given = load_job(job)
    name = user or given.mqtt.username
    if name is None:
        raise InputError(f"{job}: names no mqtt.username; say --user")
    for line in coordinator_lines(name, FederatedTopics(given.fleet, given.name)):
        click.echo(line)


class Screen:
    """Shows a job: live tables in a terminal, a line a change elsewhere, or JSON."""

    def __init__(self, *, as_json: bool, live: "Live | None") -> None:
        self._as_json = as_json
        self._live = live
        self._newest: list[Change] = []

    def say(self, line: str) -> None:
        """A line for the operator."""
        click.echo(f"edgekit: {line}", err=True)

    def show(self, summary: "Summary", changes: "list[Change]") -> None:
        """Where it is, and what has changed."""
        from edgekit.federated.coordinator.table import change_line, drawing

        if self._live is not None:
            self._newest = [*self._newest, *changes][-_NEWEST:]
            self._live.update(drawing(summary, self._newest))
        elif self._as_json:
            for change in changes:
                row = {"at": change.at_ms, "board": change.who or None, "what": change.what}
                click.echo(json.dumps(row))
        else:
            for change in changes:
                click.echo(change_line(change))

    def close(self, summary: "Summary") -> None:
        """Says where it has come to."""
        from edgekit.federated.coordinator.table import closing_lines

        if self._as_json:
            click.echo(json.dumps({"summary": summary.document()}))
        else:
            for line in closing_lines(summary):
                click.echo(line)


@contextmanager
def shown(as_json: bool) -> Iterator[Screen]:
    """A screen for as long as a job is served; an interrupt leaves the job as it is."""
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
        screen.say("left as it is; the same command goes on")
        raise


def _hand_over(
    job: "Job", bundle: "Bundle", offline: Path | None, online: Path | None, as_json: bool
) -> int:
    """Publishes the bundle and rolls it out, as far as the job says so."""
    result = job.result
    assert result is not None
    rollout = f"edgekit deploy {bundle.path} --fleet {job.fleet} --broker {job.mqtt.host}"
    if result.repository is None:
        click.echo(f"to bring it to the boards: {rollout}", err=True)
        return 0
    words = passphrases(offline, online)
    if not result.roll_out:
        from edgekit.deploy.keys import KeyRing
        from edgekit.deploy.rollout.publishing import publish

        keys = KeyRing(list(result.keys), words) if result.keys else None
        publish(result.repository, bundle, keys)
        click.echo(f"published in {result.repository}; to bring it to the boards:", err=True)
        click.echo(f"  {rollout} --repository {result.repository}", err=True)
        return 0
    return _roll_out(job, bundle, words, as_json)


def _roll_out(job: "Job", bundle: "Bundle", words: Any, as_json: bool) -> int:
    from edgekit.cli.rolling import exit_code
    from edgekit.cli.rolling import shown as rollout_shown
    from edgekit.daemon.assembly.broker import mqtt_settings
    from edgekit.deploy.keys import KeyRing
    from edgekit.deploy.rollout import Desk, Order, roll_out

    result = job.result
    assert result is not None
    with rollout_shown(as_json) as screen:
        summary = roll_out(
            bundle,
            Order(fleet=job.fleet),
            Desk(mqtt_settings(job.mqtt), show=screen.show, say=screen.say),
            repository=result.repository,
            keys=KeyRing(list(result.keys), words) if result.keys else None,
        )
    screen.close(summary)
    return exit_code(summary)
