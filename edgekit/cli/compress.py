"""`edgekit compress`."""

from pathlib import Path

import click

from edgekit.cli import show
from edgekit.cli.reporting import show_report


@click.command(short_help="Shrink a model for a board.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Pictures or arrays.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The bundle to write.")
@click.option("--recipe", type=click.Path(path_type=Path), help="A TOML file; see docs/recipes.md.")
@click.option("--labels", type=click.Path(path_type=Path), help="A label a line, or JSON.")
@click.option("--force", is_flag=True, help="Replace a bundle that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def compress(
    model: Path,
    data: Path,
    out: Path,
    recipe: Path | None,
    labels: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Shrink MODEL (an ONNX file) as a recipe says, and write a bundle.

    DATA calibrates and measures: a folder of pictures (with a labels.csv or a subfolder a class,
    where accuracy is wanted), or an .npy, .npz or .csv of arrays. Without a recipe: static INT8,
    and the preprocessing is found out from the labelled pictures.
    """
    from edgekit.compress import compress_model, load_recipe

    made = compress_model(
        model,
        data=data,
        out=out,
        recipe=load_recipe(recipe),
        labels=labels,
        replace=force,
        progress=show.Bars(),
    )
    show_report(made.report, made.bundle.path, as_json=as_json)
