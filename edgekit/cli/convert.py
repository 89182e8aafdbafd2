"""`edgekit convert`."""

import dataclasses
from pathlib import Path

import click


@click.command(short_help="Write an ONNX model as TFLite.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The .tflite to write.")
@click.option(
    "--weights", type=click.Choice(["float32", "float16"]), default="float32", show_default=True,
    help="How to store the weights of layers that compute in float.",
)  # fmt: skip
@click.option("--input-shape", metavar="N,C,H,W", help="Fixes the axes of a dynamic input.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def convert(
    model: Path, out: Path, weights: str, input_shape: str | None, force: bool, as_json: bool
) -> None:
    """Write MODEL (an ONNX file, float or quantised) as TFLite, without TensorFlow.

    The file takes and gives what the model does, by the same names. It is run in LiteRT and
    compared with onnxruntime before it is written.
    """
    from edgekit.cli import show
    from edgekit.convert import convert_file

    made = convert_file(
        model,
        out=out,
        weights=weights,  # type: ignore[arg-type]  # click.Choice has checked it
        input_shape=_axes(input_shape),
        replace=force,
    )
    if as_json:
        show.json_document(dataclasses.asdict(made) | {"path": str(made.path)})
        return
    for output in made.agreement:
        click.echo(
            f"{output.output}: within {output.relative:.1e} of onnxruntime's "
            f"(no number off by more than {output.largest:.1e})"
        )
    click.echo(f"wrote {out}: {made.size_bytes:,} bytes ({model.name}: {made.source_bytes:,})")


def _axes(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(axis) for axis in text.replace("x", ",").split(",")]
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is not numbers with commas between them", param_hint="--input-shape"
        ) from error
