"""What commands for one board over SSH have in common: options, the connection, and progress."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgekit.deploy.ssh.board import Board
    from edgekit.messaging.payloads import DeployStatus

_PATH = click.Path(path_type=Path)
_WORTH_A_LINE_BYTES = 5_000_000


def board_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options by which a command finds a board, and edgekit there."""
    for option in (
        click.option("--prefix", help="Where edgekit lies on the board; by default /opt/edgekit."),
        click.option(
            "--service", type=click.Choice(["systemd", "process"]), default="systemd",
            show_default=True,
            help="What runs edgekitd; `process` needs neither root nor systemd, and keeps all "
            "below --prefix.",
        ),
        click.option("--ssh-config", type=_PATH, help="In place of ~/.ssh/config."),
        click.option("--identity", type=_PATH, help="The private key to log in with."),
        click.option("--port", type=click.IntRange(1, 65535), help="Of the board's ssh server."),
        click.argument("board", metavar="USER@HOST"),
    ):  # fmt: skip
        command = option(command)
    return command


@contextmanager
def connected(
    board: str,
    *,
    port: int | None,
    identity: Path | None,
    ssh_config: Path | None,
    service: Any,
    prefix: str | None,
    count: bool = False,
) -> Iterator["Board"]:
    """The board, logged in to; `count` says at the end what went over the wire."""
    from edgekit.deploy.ssh.board import find_board
    from edgekit.deploy.ssh.connection import Connection, Destination
    from edgekit.deploy.ssh.layout import layout_of

    layout = layout_of(service, prefix)
    with Connection(Destination(board, port, identity, ssh_config)) as connection:
        try:
            yield find_board(connection, layout)
        finally:
            counted = connection.close()
            if count and counted.sent:
                click.echo(
                    f"{board}: {counted.sent:,} bytes sent and {counted.received:,} received "
                    "over the wire, ssh's own among them",
                    err=True,
                )


class Lines:
    """Progress on standard error: a line a step, and in a terminal a bar that moves."""

    def __init__(self, board: str) -> None:
        self._board = board
        self._tenth = -1
        self._bar: Any = None

    def step(self, text: str) -> None:
        """Something begins, or was found."""
        self.close()
        from edgekit.deploy.ssh.complaints import printable

        click.echo(f"{self._board}: {printable(text)}", err=True)

    def sending(self, what: str, done: int, total: int) -> None:
        """So many bytes were sent, of so many."""
        if sys.stderr.isatty():
            self._move(f"sending the {what}", done, total)
            return
        tenth = 10 * done // total
        if tenth != self._tenth and total >= _WORTH_A_LINE_BYTES:
            self._tenth = tenth
            click.echo(f"{self._board}: sending the {what}: {done:,} of {total:,} bytes", err=True)

    def status(self, status: "DeployStatus") -> None:
        """The board says how far it is."""
        said = f"{status.phase} {status.version or ''}".strip()
        if status.share is not None and status.phase == "downloading":
            if sys.stderr.isatty():
                self._move(said, round(1000 * status.share), 1000)
                return
            said += f" ({status.share:.0%})"
        self.step(said + (f": {status.reason}" if status.reason else ""))

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._tenth = -1

    def _move(self, title: str, done: int, total: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        if self._bar is None:
            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(title, total=total)
        self._bar.update(self._task, description=title, completed=done, total=total)
