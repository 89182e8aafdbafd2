"""`edgekit logs`."""

from typing import Any

import click

from edgekit.cli.boards import board_options, connected


@click.command(short_help="Show what a board's daemon has logged.")
@board_options
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(1, 1_000_000), default=50, show_default=True)
def logs(board: str, follow: bool, lines: int, **where: Any) -> int:
    """Show the last lines that edgekitd on USER@HOST has logged."""
    with connected(board, **where) as found:
        try:
            return found.connection.show(
                found.rightful(found.service.logs(lines=lines, follow=follow))
            )
        except KeyboardInterrupt:
            return 0
