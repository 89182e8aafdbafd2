"""`edgekit inspect`."""

from pathlib import Path
from typing import Any

import click

from edgekit.cli import show


@click.command(short_help="Say what a model or a bundle is made of, and whether it runs.")
@click.argument("path", type=click.Path(path_type=Path), metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def inspect(path: Path, as_json: bool) -> None:
    """Say what MODEL (an .onnx, a .tflite or a bundle) is made of, and run it on zeros."""
    found = _bundle(path) if path.is_dir() else _model(path)
    if as_json:
        show.json_document(found)
        return
    for what, value in found.items():
        if isinstance(value, list):
            for tensor in value:
                click.echo(f"{what[:-1]:<12} {tensor['name']}  {tensor['dtype']} {tensor['shape']}")
        elif isinstance(value, dict):
            click.echo(
                f"{what:<12} {', '.join(f'{count} {name}' for name, count in value.items())}"
            )
        elif value is not None:
            shown = f"{value:,}" if isinstance(value, int) and what != "version" else value
            click.echo(f"{what.replace('_', ' '):<12} {shown}")


def _bundle(path: Path) -> dict[str, Any]:
    from edgekit.bundle import archive_bytes, open_bundle
    from edgekit.runtime.selftest import check_golden
    from edgekit.runtime.session import Session

    bundle = open_bundle(path)
    manifest = bundle.manifest
    found: dict[str, Any] = {
        "bundle": manifest.name,
        "version": manifest.version,
        "task": manifest.task,
        "hash": bundle.short_hash,
        "travels_bytes": len(archive_bytes(bundle)),
    }
    for engine in manifest.models:
        found |= _model(bundle.model_path(engine))
        compared = check_golden(Session.open(path, engine=engine))
        found["self-test"] = f"{compared} golden vectors reproduced by {engine}"
    return found


def _model(path: Path) -> dict[str, Any]:
    import numpy as np

    from edgekit.errors import EdgekitError
    from edgekit.runtime.engine import engine_for, open_engine

    name = engine_for(path)
    engine = open_engine(name, path)
    if name == "onnxruntime":
        from edgekit.graph.describe import describe
        from edgekit.graph.load import load_onnx

        described = describe(load_onnx(path))
        counts: dict[str, Any] = {
            "operators": described.operators,
            "parameters": described.parameters,
            "macs": described.macs,
        }
    else:
        counts = {"operators": engine.operators()}  # type: ignore[attr-defined]
    try:
        shape = [axis or 1 for axis in engine.inputs[0].shape]
        outputs = engine.run(np.zeros(shape, engine.inputs[0].dtype))
        ran = "runs on zeros, gives " + ", ".join(
            f"{key} {list(value.shape)}" for key, value in outputs.items()
        )
    except EdgekitError as error:
        ran = f"does not run on zeros: {error}"
    return {
        "file": str(path),
        "engine": f"{name} {engine.version}",
        "size_bytes": path.stat().st_size,
        "inputs": [_tensor(info) for info in engine.inputs],
        "outputs": [_tensor(info) for info in engine.outputs],
        **counts,
        "smoke_test": ran,
    }


def _tensor(info: Any) -> dict[str, Any]:
    return {"name": info.name, "dtype": info.dtype, "shape": list(info.shape)}
