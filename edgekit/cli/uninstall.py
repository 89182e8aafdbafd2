"""`edgekit uninstall`."""

from typing import Any

import click

from edgekit.cli.boards import board_options, connected


@click.command(short_help="Take edgekit off a board.")
@board_options
@click.option("--purge", is_flag=True, help="Remove its settings, bundles and state as well.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def uninstall(board: str, purge: bool, yes: bool, **where: Any) -> None:
    """Stop edgekitd on USER@HOST and remove it; settings and state stay without --purge."""
    from edgekit.deploy.ssh.removal import uninstall as remove
    from edgekit.deploy.ssh.removal import what_goes

    with connected(board, **where) as found:
        if not yes:
            for path in what_goes(found.layout, purge=purge):
                click.echo(f"  {path}", err=True)
            click.confirm(f"Remove these from {board}?", abort=True, err=True)
        for path in remove(found, purge=purge):
            click.echo(f"{board}: removed {path}")
