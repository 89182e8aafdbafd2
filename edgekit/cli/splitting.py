"""`edgekit federate split` and `edgekit federate vertical`: features that several boards have."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgekit.federated.vertical.running import Passed


@click.command(short_help="Compile the halves of a network over several boards.")
@click.option(
    "--bottom",
    "bottoms",
    multiple=True,
    required=True,
    metavar="PARTY=MODEL.onnx",
    help="What a board computes of its features; once for each board.",
)
@click.option("--top", type=click.Path(path_type=Path), required=True, help="The ONNX file.")
@click.option("--loss", default="cross-entropy", show_default=True, help="Or mse, focal, ...")
@click.option("--optimizer", default="sgd", show_default=True)
@click.option("--rows", type=click.IntRange(1), default=32, show_default=True, help="Of a batch.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder.")
def split(
    bottoms: tuple[str, ...], top: Path, loss: str, optimizer: str, rows: int, out: Path
) -> None:
    """Compile bottoms and a top into training steps, a folder each in OUT.

    The top's inputs are named as the parties, and take what their bottoms give, [1, K] each.
    """
    from edgekit.errors import InputError
    from edgekit.federated.vertical.splitting import split_network

    named: dict[str, Path] = {}
    for text in bottoms:
        party, equals, path = text.partition("=")
        if not equals or not party or party in named:
            raise InputError(f"--bottom {text}: is not PARTY=MODEL.onnx, each party once")
        named[party] = Path(path)
    split_network(named, top, loss=loss, optimizer=optimizer, rows=rows, out=out)
    for party in named:
        click.echo(f"wrote {out / party}: for its board")
    click.echo(f"wrote {out / 'top'}: for who has the labels")


@click.command(short_help="Train a network over several boards.")
@click.argument("job", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document an epoch.")
def vertical(job: Path, as_json: bool) -> None:
    """Train what JOB says: this workstation has the labels, boards have features.

    It may be stopped at any time, and goes on from the last epoch that was finished.
    """
    from edgekit.cli import show
    from edgekit.daemon.assembly.broker import mqtt_settings
    from edgekit.federated.vertical.job import labels_of, load_vertical_job
    from edgekit.federated.vertical.over_mqtt import MqttParties, vertical_line
    from edgekit.federated.vertical.running import run_vertical

    loaded = load_vertical_job(job)
    labels, keys = labels_of(loaded)

    def told(one: "Passed") -> None:
        if as_json:
            show.json_document(one)
        else:
            _say(one)

    with vertical_line(mqtt_settings(loaded.mqtt), loaded.fleet, loaded.name) as line:
        parties = MqttParties(
            line, loaded.fleet, loaded.name, loaded.parties, patience_s=loaded.patience_s
        )
        path = run_vertical(
            loaded,
            labels,
            keys,
            parties.ask,
            on_epoch=told,
            on_trouble=lambda line: click.echo(line, err=True),
        )
    click.echo(f"wrote {path}; the boards keep their own halves", err=as_json)


def _say(one: "Passed") -> None:
    if one.number == 1:
        click.echo("epoch  samples    loss  held out  accuracy      kB up    kB down")
    held = "" if one.held_loss is None else f"{one.held_loss:.3f}"
    right = "" if one.accuracy is None else f"{one.accuracy:.3f}"
    click.echo(
        f"{one.number:5}  {one.samples:7}  {one.loss:6.3f}  {held:>8}  {right:>8}  "
        f"{one.bytes_up / 1000:9,.1f}  {one.bytes_down / 1000:9,.1f}"
    )
