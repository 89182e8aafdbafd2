"""`edgekit rollback`."""

from typing import Any

import click

from edgekit.cli.boards import Lines, board_options, connected


@click.command(short_help="Have a board go back to the bundle that it ran before.")
@board_options
@click.argument("name", required=False)
@click.option("--wait", "wait_s", type=click.FloatRange(min=1), default=300.0, show_default=True,
              help="Seconds to wait for the board.")  # fmt: skip
def rollback(board: str, name: str | None, wait_s: float, **where: Any) -> None:
    """Have USER@HOST go back to what it had committed before, and nowhere else.

    NAME says which bundle, where the board runs more than one.
    """
    from edgekit.deploy.ssh.deployment import go_back

    told = Lines(board)
    try:
        with connected(board, **where) as found:
            which, version = go_back(found, name, progress=told, deadline_s=wait_s)
    finally:
        told.close()
    click.echo(f"{board}: runs {which} {version} again")
