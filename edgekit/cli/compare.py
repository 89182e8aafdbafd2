"""`edgekit compare`."""

from pathlib import Path

import click

from edgekit.cli import show


@click.command(short_help="Hold one model against another on the same data.")
@click.argument("first", type=click.Path(path_type=Path), metavar="A")
@click.argument("second", type=click.Path(path_type=Path), metavar="B")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Pictures or arrays.")
@click.option("--labels", type=click.Path(path_type=Path), help="A label a line, or JSON.")
@click.option("--recipe", type=click.Path(path_type=Path), help="Its [input] is heeded.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def compare(
    first: Path,
    second: Path,
    data: Path,
    labels: Path | None,
    recipe: Path | None,
    as_json: bool,
) -> None:
    """Ask A and B (bundles, .onnx or .tflite files) about the same DATA, and time them.

    Agreement and KL divergence say how far B's answers are from A's. A change of accuracy has its
    paired 95 % interval, times the range of the middle 80 % of rounds.
    """
    from edgekit.compress import compare_models, load_recipe

    found = compare_models(
        first,
        second,
        data=data,
        labels=labels,
        convention=load_recipe(recipe).input,
        progress=show.Bars(),
    )
    if as_json:
        show.json_document(found)
        return
    click.echo(f"A: {first}\nB: {second}\n")
    show.table([found.columns(), *found.rows()], right=(1, 2), header=True)
    lost = [flip for flip in found.second.changed if flip.effect == "lost"]
    click.echo(
        f"\n{len(found.second.changed)} of {found.samples} answers differ"
        + (f", {len(lost)} right ones lost" if any(f.effect for f in found.second.changed) else "")
    )
