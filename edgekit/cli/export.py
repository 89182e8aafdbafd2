"""`edgekit export`."""

import dataclasses
from pathlib import Path

import click


@click.group(short_help="Write a model as C for microcontrollers.")
def export() -> None:
    """Write a bundle's model in a form that runs outside of edgekit."""


@export.command(short_help="Write an INT8 model as C99.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder to fill.")
@click.option("--name", help="What files and identifiers begin with; by default the bundle's name.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def c(bundle: Path, out: Path, name: str | None, force: bool, as_json: bool) -> None:
    """Write the INT8 model of BUNDLE as portable C99: constants and loops, no heap.

    Its integers are LiteRT's, bit for bit. A self-test with golden vectors comes with it, and the
    .tflite file as a C array for TensorFlow Lite for Microcontrollers.
    """
    from edgekit.cli import show
    from edgekit.convert.c import export_c

    made = export_c(bundle, out=out, name=name, replace=force)
    if as_json:
        show.json_document(dataclasses.asdict(made) | {"folder": str(made.folder)})
        return
    click.echo(
        f"wrote {out / made.name}.h and {len(made.files) - 1} more: {made.constant_bytes:,} bytes "
        f"of constants, {made.arena_bytes:,} of RAM, {made.macs:,} multiply-adds"
    )
