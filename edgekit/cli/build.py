"""`edgekit build`."""

from pathlib import Path

import click

from edgekit.cli import show
from edgekit.cli.reporting import show_report


@click.command(short_help="Train one of edgekit's own models and write a bundle.")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="A CSV file of rows to learn from.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The bundle to write.")
@click.option("--force", is_flag=True, help="Replace a bundle that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def build(recipe: Path, data: Path | None, out: Path, force: bool, as_json: bool) -> None:
    """Train what the [build] table of RECIPE names, compress it, and write a bundle.

    `models/` has a recipe for each: an autoencoder of sensor rows, a classifier of digits, and a
    quantum-kernel classifier.
    """
    from edgekit.bundle import check_free
    from edgekit.compress import compress_trained, load_recipe
    from edgekit.zoo.building import build_model

    check_free(out, replace=force)
    loaded = load_recipe(recipe)
    bars = show.Bars()
    built = build_model(loaded, data, progress=bars, where=str(recipe))
    made = compress_trained(
        built.trained, built.samples, loaded, out=out, replace=force, progress=bars
    )
    show_report(made.report, out, as_json=as_json)
