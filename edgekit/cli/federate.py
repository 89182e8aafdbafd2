"""`edgekit federate`: boards learn together."""

import click

from edgekit.cli.noise import noise
from edgekit.cli.serving import acl, serve
from edgekit.cli.simulating import simulate
from edgekit.cli.splitting import split, vertical


@click.group(short_help="Let boards learn together.")
def federate() -> None:
    """Rounds in which boards learn from what they see, without sending it anywhere."""


for command in (serve, acl, simulate, noise, split, vertical):
    federate.add_command(command)
