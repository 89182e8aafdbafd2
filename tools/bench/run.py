"""Every benchmark whose data is there, as Markdown: what `make bench` runs.

`.venv/bin/python -m tools.bench.run [--data DIR]`; without `--data`, EDGEKIT_DATA or
`../shared/data` beside the repository.
"""

import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import click
import msgspec

from edgekit.cli import show
from edgekit.compress import compress_model, load_recipe
from edgekit.compress.steps import Quantize
from edgekit.errors import EdgekitError
from tools.bench.daemon import measure

_ROOT = Path(__file__).resolve().parent.parent.parent


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="The real models and data.")
def main(data: Path | None) -> None:
    """Measures, and prints Markdown."""
    data = data or Path(os.environ.get("EDGEKIT_DATA", _ROOT.parent / "shared" / "data"))
    versions = f"Python {platform.python_version()}, onnxruntime {version('onnxruntime')}"
    click.echo(f"Machine: {_processor()}, {os.cpu_count()} CPUs, {versions}.")
    model, photos = data / "models" / "squeezenet1.1.onnx", data / "images" / "dev"
    video = data / "video" / "bottle-detection.mp4"
    if not model.is_file():
        click.echo(f"left out what needs real data: {data} is not there; say DATA=folder", err=True)
    else:
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder) / "squeezenet"
            _squeezenet(model, photos, bundle)
            measure(bundle, video)
    modules = [
        *("capture", "outbox", "verifying", "quantum", "gradients", "training", "compression"),
        *("federated_rounds", "secure_aggregation", "bridge"),
    ]
    for module in (*modules, *(["nab"] if data.is_dir() else [])):
        click.echo(f"\n## tools.bench.{module}\n")
        sys.stdout.flush()
        command = [sys.executable, "-m", f"tools.bench.{module}"]
        subprocess.run(command, cwd=_ROOT, check=True, env=os.environ | {"EDGEKIT_DATA": str(data)})


def _squeezenet(model: Path, photos: Path, out: Path) -> None:
    """Size, accuracy and latency of SqueezeNet in INT8, with 7-bit and with 8-bit weights."""
    recipe = load_recipe(_ROOT / "models" / "squeezenet" / "recipe.toml")
    click.echo("\n### SqueezeNet 1.1 in INT8\n")
    for full_range in (True, False):
        try:
            made = compress_model(
                model,
                data=photos,
                out=out,
                recipe=msgspec.structs.replace(recipe, steps=(Quantize(full_range=full_range),)),
                replace=True,
                progress=show.Bars(),
            )
        except EdgekitError as error:
            click.echo(f"left out: {error}", err=True)
            return
        title = "all 8 bits of the weights" if full_range else "7 bits of the weights (default)"
        click.echo(f"| {title} | original | artifact | |\n| --- | ---: | ---: | --- |")
        for row in made.report.rows():
            click.echo(f"| {' | '.join(row)} |")
        click.echo("")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    name = next((line.partition(": ")[2] for line in text.splitlines() if "model name" in line), "")
    return f"{name or platform.machine()}{', VNNI' if 'vnni' in text else ', no VNNI'}"


if __name__ == "__main__":
    main()
