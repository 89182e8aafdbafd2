"""`edgekit compress`."""

from pathlib import Path
from typing import Any

import click

from edgekit.cli import show, values
from edgekit.cli.reporting import show_report

_PATH = click.Path(path_type=Path)


@click.command(short_help="Shrink a model for a board.")
@click.argument("model", type=_PATH)
@click.option("--data", type=_PATH, required=True, help="Pictures or arrays.")
@click.option("--out", type=_PATH, required=True, help="The bundle to write.")
@click.option("--recipe", type=_PATH, help="A TOML file; see docs/recipes.md.")
@click.option("--labels", type=_PATH, help="A label a line, or JSON.")
@click.option("--format", "formats", type=click.Choice(["onnx", "tflite"]), multiple=True,
              help="What to write; say it twice for both.")  # fmt: skip
@click.option("--variant", "variants", type=click.Choice(["fp32", "fp16"]), multiple=True,
              help="What else the bundle carries, for boards where INT8 is slower.")  # fmt: skip
@click.option("--input-shape", callback=values.input_shape, metavar="1,3,..",
              help="Fixes dynamic axes.")  # fmt: skip
@click.option("--target-size", callback=values.size, metavar="600kB",
              help="Search: the most the model file may take under xz.")  # fmt: skip
@click.option("--max-drop", type=click.FloatRange(0), metavar="POINTS",
              help="Search: the most top-1 that may be lost.")  # fmt: skip
@click.option("--target-latency", type=click.FloatRange(0, min_open=True), metavar="SHARE",
              help="Search: the most of the original's time.")  # fmt: skip
@click.option("--min-agreement", type=click.FloatRange(0, 1, min_open=True), metavar="SHARE",
              help="Search: the least of answers that stay.")  # fmt: skip
@click.option("--tries", type=click.IntRange(1), default=12, show_default=True,
              help="Search: the most candidates.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a bundle that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def compress(
    out: Path,
    recipe: Path | None,
    formats: tuple[Any, ...],
    variants: tuple[Any, ...],
    target_size: str | None,
    max_drop: float | None,
    target_latency: float | None,
    min_agreement: float | None,
    tries: int,
    force: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Shrink MODEL (an ONNX file) as a recipe says, and write a bundle.

    DATA calibrates and measures: a folder of pictures (with a labels.csv or a subfolder a class,
    where accuracy is wanted), or an .npy, .npz or .csv of arrays. Without a recipe: static INT8,
    and the preprocessing is found out from the labelled pictures.

    With a goal (size, drop, latency, agreement) the steps are searched for. Every candidate is kept
    in OUT.search, where a search that was stopped goes on, with the recipe that was chosen.

    An artifact that misses a gate or a goal is not written: exit code 6, and OUT.report.html.
    """
    from edgekit.compress import Goals, compress_model, load_recipe, search_recipe
    from edgekit.compress.report import Report
    from edgekit.errors import GateMissed

    given |= {
        "out": out,
        "recipe": load_recipe(recipe).writing(formats, variants),
        "replace": force,
        "progress": show.Bars(),
    }
    goals = Goals(
        size=target_size, max_drop=max_drop, latency=target_latency, agreement=min_agreement
    )
    try:
        if goals == Goals():
            report, recipe_path = compress_model(**given).report, None
        else:
            found = search_recipe(**given, goals=goals, tries=tries)
            report, recipe_path = found.compressed.report, found.recipe
    except GateMissed as missed:
        if isinstance(missed.report, Report):
            show_report(missed.report, None, as_json=as_json)
        raise
    show_report(report, out, as_json=as_json)
    if recipe_path is not None and not as_json:
        click.echo(f"the recipe that was chosen: {recipe_path}")
