"""`edgekit predict`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from edgekit.array import Array
from edgekit.bundle import InputSpec
from edgekit.cli import show
from edgekit.errors import EdgekitError, InputError
from edgekit.runtime.prediction import AnomalyScore, Classification, Prediction, RawValues


@click.command(short_help="Ask a bundle about pictures or sensor windows.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument(
    "inputs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="INPUT..."
)
@click.option("--engine", type=click.Choice(["onnxruntime", "litert", "auto"]),
              help="What runs it; auto: the fastest here that passes.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def predict(bundle: Path, inputs: tuple[Path, ...], engine: str | None, as_json: bool) -> None:
    """Ask BUNDLE about each INPUT: pictures, or .csv and .npy files of sensor windows.

    A folder stands for the pictures in it. A .csv gives every window of its rows.
    """
    from edgekit.runtime.loading import load_session
    from edgekit.runtime.session import Session

    if engine == "auto":
        loaded = load_session(bundle, engine="auto")
        session = loaded.session
        assert loaded.choice is not None
        click.echo(loaded.choice.line(), err=True)
    else:
        session = Session.open(bundle, engine=engine)  # type: ignore[arg-type]  # click checked it
    results: list[dict[str, Any]] = []
    for name, sample in _samples(inputs, session.bundle.manifest.input):
        try:
            prediction, _ = session.predict(sample)
        except EdgekitError as error:
            raise type(error)(f"{name}: {error}") from error
        results.append({"input": name, **_as_json(prediction)})
        if not as_json:
            _show(name, prediction)
    if as_json:
        show.json_document({"results": results})


def _samples(inputs: tuple[Path, ...], spec: InputSpec) -> Iterator[tuple[str, Array]]:
    for path in inputs:
        if spec.picture is not None:
            from edgekit.pipeline.pictures import SUFFIXES, read_picture

            paths = [path]
            if path.is_dir():
                paths = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
                if not paths:
                    raise InputError(f"{path}: has no pictures ({', '.join(SUFFIXES)})")
            for picture in paths:
                yield str(picture), read_picture(picture, spec.picture)
        else:
            yield from _windows(path, spec)


def _windows(path: Path, spec: InputSpec) -> Iterator[tuple[str, Array]]:
    """The windows of a file; where there is more than one, each named by its last row."""
    import numpy as np

    if path.suffix.lower() == ".csv":
        yield from _csv_windows(path, spec)
        return
    if path.suffix.lower() != ".npy":
        raise InputError(f"{path}: this bundle takes .csv or .npy files")
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a readable .npy file: {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise InputError(f"{path}: not an array of numbers")
    size = int(np.prod(spec.shape))
    if array.size == size:
        yield str(path), array
    elif array.ndim > 1 and array.size == size * len(array) and len(array):
        for number, sample in enumerate(array):
            yield f"{path}[{number}]", sample
    else:
        raise InputError(
            f"{path}: has shape {list(array.shape)}, the model takes {list(spec.shape)}"
        )


def _csv_windows(path: Path, spec: InputSpec) -> Iterator[tuple[str, Array]]:
    from edgekit.pipeline.parts import Sample
    from edgekit.pipeline.rows import load_rows
    from edgekit.pipeline.stages.window import Window

    if spec.window is None:
        rows, _ = load_rows(path, None)
        if rows.size != _size(spec):
            raise InputError(f"{path}: has {rows.shape}, the model takes {list(spec.shape)}")
        yield str(path), rows
        return
    rows, _ = load_rows(path, spec.window.columns)
    window = Window(spec.window)
    if len(rows) < spec.window.length:
        raise InputError(
            f"{path}: has {len(rows)} rows, a window needs {spec.window.length} of them"
        )
    for number, row in enumerate(rows):
        sample = window.push(Sample(row, 0, 0))
        if sample is not None:
            yield (
                (f"{path}:{number + 2}" if len(rows) > spec.window.length else str(path)),
                sample.data,
            )


def _size(spec: InputSpec) -> int:
    size = 1
    for axis in spec.shape:
        size *= axis
    return size


def _as_json(prediction: Prediction) -> dict[str, Any]:
    match prediction:
        case Classification(top):
            return {"top": [{"id": c.id, "label": c.label, "p": round(c.p, 6)} for c in top]}
        case AnomalyScore(score, threshold):
            return {"score": score, "threshold": threshold, "anomalous": prediction.anomalous}
        case RawValues(values):
            return {"values": values.tolist()}


def _show(name: str, prediction: Prediction) -> None:
    match prediction:
        case Classification(top):
            click.secho(name, bold=True)
            show.table([(f"  {c.p:7.1%}", c.label) for c in top])
        case AnomalyScore(score, threshold):
            verdict = click.style("ANOMALOUS", fg="red") if prediction.anomalous else "normal"
            click.echo(f"{name}  score {score:.4g}  threshold {threshold:.4g}  {verdict}")
        case RawValues(values):
            shown = ", ".join(f"{value:.4g}" for value in values.reshape(-1)[:8])
            more = ", ..." if values.size > 8 else ""
            click.echo(f"{name}  {list(values.shape)}  {shown}{more}")
