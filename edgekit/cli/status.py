"""`edgekit status`."""

from typing import TYPE_CHECKING, Any

import click

from edgekit.cli.boards import board_options, connected

if TYPE_CHECKING:
    from edgekit.daemon.deploy_control.messages import BundleReport


@click.command(short_help="Show what a board runs, and how its updates stand.")
@board_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(board: str, as_json: bool, **where: Any) -> None:
    """Show what USER@HOST runs: edgekit, the daemon, its bundles and their updates.

    Ends with 1 where the daemon does not run or its settings have mistakes.
    """
    import sys

    from edgekit.cli import show
    from edgekit.deploy.ssh.complaints import printable
    from edgekit.deploy.ssh.control import Control
    from edgekit.errors import InputError

    with connected(board, **where) as found:
        if found.facts.edgekit is None:
            raise InputError(f"{board}: has no edgekit in {found.layout.home}")
        report = Control(found).describe()
        is_active = found.succeeds(found.service.is_active())
    if as_json:
        show.json_document({"active": is_active, "board": report})
    else:
        active = click.style("runs", fg="green") if is_active else click.style("stopped", fg="red")
        click.echo(f"{board}: edgekit {report.edgekit}, edgekitd {active}")
        for mistake in report.mistakes:
            click.echo(f"  {found.layout.config}: {printable(mistake)}")
        if not report.has_settings:
            click.echo(f"  {found.layout.config}: is not there")
        for missing in report.missing:
            click.echo(f"  {printable(missing)}: no such bundle; deploy it")
        for bundle in report.bundles:
            click.echo(f"  {printable(_line(bundle))}")
    if not is_active or report.mistakes or not report.has_settings:
        sys.exit(1)


def _line(bundle: "BundleReport") -> str:
    said = f"{bundle.name} {bundle.installed} ({', '.join(bundle.pipelines)})"
    told = bundle.status
    if told is not None:
        said += f": {told.phase}"
        said += f" {told.version}" if told.version not in (None, bundle.installed) else ""
        said += f": {told.reason}" if told.reason else ""
    if bundle.back is not None:
        said += f"; a rollback goes to {bundle.back}"
    return said
