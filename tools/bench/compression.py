"""Compressors side by side: onnxruntime's, NNCF, Neural Compressor, and edgekit's recipes.

`.venv/bin/python -m tools.bench.compression [--data DIR] [--only NET]... [--tool TEXT]...`;
`tools/bench/peers.sh` installs the peers first. Without `--data`, EDGEKIT_DATA or
`../shared/data` beside the repository; nets that need what is not there are left out.

All are given the same float model and the same 100 samples to calibrate on, run as a process of
their own with one thread, and their artifacts are measured on the other samples by the same code.
"""

import os
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import onnx
import onnx_ir as ir

from edgekit.bundle import InputSpec, OutputSpec, open_bundle
from edgekit.cli import show
from edgekit.compress.answers import Candidate
from edgekit.compress.data import open_data
from edgekit.compress.feeding import Fed, feed
from edgekit.compress.machine import this_machine
from edgekit.errors import EdgekitError
from edgekit.graph.load import load_onnx
from edgekit.runtime.engine import Engine, open_engine
from tools.bench import compression_ours
from tools.bench.compression_nets import NETS, Net
from tools.bench.compression_peers import PEERS, LeftOut
from tools.bench.compression_rows import Reference, header, left_out

_ROOT = Path(__file__).resolve().parent.parent.parent
_CALIBRATION = 100


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="The real models and data.")
@click.option("--only", type=click.Choice(list(NETS)), multiple=True, help="Which nets.")
@click.option("--tool", "tools", multiple=True, help="Which tools, by a part of their rows' names.")
def main(data: Path | None, only: tuple[str, ...], tools: tuple[str, ...]) -> None:
    """Measures, and prints Markdown."""
    data = data or Path(os.environ.get("EDGEKIT_DATA", _ROOT.parent / "shared" / "data"))
    machine = this_machine()
    click.echo(
        f"Machine: {machine.processor}, {machine.cpus} CPUs, {', '.join(machine.instructions)}; "
        f"Python {machine.python}, onnxruntime {version('onnxruntime')}; one thread."
    )
    for name in only or NETS:
        with TemporaryDirectory() as folder:
            try:
                net = NETS[name](data, Path(folder))
            except FileNotFoundError as error:
                click.echo(f"left out {name}: {error}", err=True)
                continue
            _compare(net, tools, Path(folder))


def _compare(net: Net, tools: tuple[str, ...], folder: Path) -> None:
    """Prints one net's table, a row as soon as it is measured."""
    progress = show.Bars()
    fed = feed(
        load_onnx(net.model), open_data(net.data), net.recipe, where=net.name, progress=progress
    )
    count = min(_CALIBRATION, max(1, len(fed.samples) // 2))
    calibrated, held_out = fed.samples.split(count, seed=net.recipe.calibrate.seed)
    reference = Reference.of(
        fed.original, fed.samples, held_out, reconstructs=net.reconstructs, progress=progress
    )
    calibration = folder / "calibration.npz"
    tensors = [fed.original.tensor(fed.samples.data[int(index)]) for index in calibrated]
    targets = fed.samples.targets
    known = np.full(count, -1) if targets is None else targets[calibrated]
    np.savez(calibration, x=np.concatenate(tensors), y=known)
    model = _named(fed.model, folder / "float.onnx")

    def is_wanted(title: str) -> bool:
        return not tools or any(text.lower() in title.lower() for text in tools)

    click.echo(f"\n### {net.title}\n\nCalibrated on {count}, measured on {len(held_out)} others.\n")
    click.echo(header(reconstructs=net.reconstructs))
    click.echo(reference.row("float32", net.model, progress))
    for number, peer in enumerate(peer for peer in PEERS if is_wanted(peer.title)):
        if peer.needs_classes and (net.reconstructs or not (known >= 0).all()):
            continue
        out = folder / f"peer-{number}.onnx"
        try:
            taken = peer.compress(model, calibration, out)
            candidate = _like(fed, open_engine("onnxruntime", out))
            click.echo(reference.measure(peer.title, candidate, out, taken, progress))
        except (LeftOut, EdgekitError) as error:
            click.echo(left_out(peer.title, str(error)))
    for number, (title, recipe) in enumerate(compression_ours.recipes_for(net.name)):
        if is_wanted(title):
            _ours(net, title, recipe, folder / f"ours-{number}", reference, progress)


def _ours(
    net: Net, title: str, recipe: str, out: Path, reference: Reference, progress: show.Bars
) -> None:
    """A row for each engine that the bundle has a model for."""
    try:
        taken = compression_ours.compress(net, recipe, out)
        bundle = open_bundle(out)
        for engine, file in bundle.manifest.models.items():
            opened = open_engine(engine, out / file)
            candidate = Candidate(opened, bundle.manifest.input, bundle.manifest.output)
            row = f"{title}, {engine}"
            click.echo(reference.measure(row, candidate, out / file, taken, progress))
    except (LeftOut, EdgekitError) as error:
        click.echo(left_out(title, str(error)))


def _like(fed: Fed, engine: Engine) -> Candidate:
    """What a peer made of the float model: it takes and gives the same, under any names."""
    spec, kind = fed.original.input, fed.original.output.kind
    return Candidate(
        engine,
        InputSpec(
            name=engine.inputs[0].name, dtype=spec.dtype, shape=spec.shape, picture=spec.picture
        ),
        OutputSpec(name=engine.outputs[0].name, kind=kind),
    )


def _named(model: ir.Model, path: Path) -> Path:
    """The canonical float model as a file, each node with a name: Neural Compressor wants one."""
    proto = ir.to_proto(model)
    for number, node in enumerate(proto.graph.node):
        node.name = f"{node.op_type}_{number}"
    onnx.save(proto, path)
    return path


if __name__ == "__main__":
    main()
