"""`python -m tools.flower_app`: digits learned by SuperNodes on this machine.

Starts a SuperLink and SuperNodes, runs `docs/examples/flower` on them, says what each round came
to, and stops them. KEY=VALUE are of that app's configuration, such as `strategy=fedprox`.
"""

import json
import tempfile
from pathlib import Path

import click

from edgekit.errors import EdgekitError
from tools.flower_app.fleet import PrivateFleet, Value
from tools.flower_app.prepare import prepare_digits


@click.command()
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--boards", type=click.IntRange(1), default=2, show_default=True)
@click.option("--timeout", "timeout_s", default=600.0, show_default=True, help="Seconds.")
def main(settings: tuple[str, ...], boards: int, timeout_s: float) -> None:
    """Plays rounds of digits over Flower on this machine."""
    with tempfile.TemporaryDirectory() as name:
        prepared = prepare_digits(Path(name), boards)
        given = dict(_pair(text) for text in settings)
        try:
            with PrivateFleet(Path(name), prepared.boards) as fleet:
                fleet.run({**prepared.server, **given}, timeout_s=timeout_s)
        except EdgekitError as error:
            raise click.ClickException(str(error)) from error
        click.echo("round  accuracy    loss")
        for one in json.loads((Path(name) / "out/rounds.json").read_text(encoding="utf-8")):
            click.echo(f"{one['number']:5}  {one['accuracy']:8.3f}  {one['loss']:6.3f}")


def _pair(text: str) -> tuple[str, Value]:
    key, _, value = text.partition("=")
    for kind in (int, float):
        try:
            return key, kind(value)
        except ValueError:
            pass
    return key, value


if __name__ == "__main__":
    main()
