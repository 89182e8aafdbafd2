"""`edgekit pack`."""

from pathlib import Path

import click


@click.command(short_help="Wrap a finished .onnx or .tflite into a bundle.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--task", type=click.Choice(["classification", "anomaly", "raw"]), required=True,
    help="What the model is for.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The bundle to write.")
@click.option("--labels", type=click.Path(path_type=Path), help="A label a line, or JSON.")
@click.option("--threshold", type=float, help="The score above which a sample is anomalous.")
@click.option("--recipe", type=click.Path(path_type=Path), help="Says how pictures become input.")
@click.option("--force", is_flag=True, help="Replace a bundle that is there.")
def pack(
    model: Path,
    task: str,
    out: Path,
    labels: Path | None,
    threshold: float | None,
    recipe: Path | None,
    force: bool,
) -> None:
    """Wrap MODEL (an .onnx or a .tflite file) into a bundle, unchanged.

    Pictures are fed as raw 0-255 RGB pixels unless a recipe's [input] says otherwise.
    """
    from edgekit.compress import load_recipe, pack_model

    bundle = pack_model(
        model,
        task=task,  # type: ignore[arg-type]  # click.Choice has checked it
        out=out,
        labels=labels,
        threshold=threshold,
        recipe=load_recipe(recipe),
        replace=force,
    )
    manifest = bundle.manifest
    click.echo(
        f"wrote {out}: {manifest.name} {manifest.version}, {manifest.task}, takes "
        f"{manifest.input.dtype} {list(manifest.input.shape)}, gives {manifest.output.kind}"
    )
