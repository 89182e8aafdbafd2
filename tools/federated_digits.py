"""Boards that learn digits from rows of 64 numbers: a bundle, its samples, and rows to read."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.bundle import (
    Bundle,
    InputSpec,
    Manifest,
    OutputSpec,
    Thresholds,
    WindowRule,
    write_bundle,
)
from edgekit.compress.golden import golden_file, golden_inputs
from edgekit.federated import compile_federated_step
from edgekit.graph.build import GraphBuilder
from edgekit.learning.buffer import SampleBuffer
from edgekit.learning.federated.trainer import PRESENT
from edgekit.learning.files import open_step
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.train.losses import CrossEntropy, Reconstruction

COLUMNS = tuple(f"p{number:02d}" for number in range(64))
LABELS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def model(*, hidden: int, seed: int, classes: int, width: int, decoder: bool) -> ir.Model:
    """A window of one row of numbers to logits, or back to the row."""
    rng = np.random.default_rng(seed)
    build = GraphBuilder("digits")
    given = build.input("x", np.float32, (1, 1, width))
    value = build.op("Flatten", given, axis=1)
    outputs = width if decoder else classes
    for number, (n, m) in enumerate(pairwise((width, hidden, outputs))):
        drawn = rng.normal(0, (2 / n) ** 0.5, (n, m)).astype(np.float32)
        weights = build.constant(drawn, f"w{number}")
        bias = build.constant(np.zeros(m, np.float32), f"b{number}")
        value = build.op("Gemm", build.op("Relu", value) if number else value, weights, bias)
    if not decoder:
        return build.finish(out=(value, np.float32, (1, classes)))
    back = build.op("Unsqueeze", value, np.array([1]))
    return build.finish(out=(back, np.float32, (1, 1, width)))


def digits_bundle(
    out: Path,
    *,
    version: str = "1.0.0",
    hidden: int = 32,
    seed: int = 0,
    classes: int = 10,
    width: int = 64,
    decoder: bool = False,
) -> Bundle:
    """A bundle that says which digit a row shows, with the step that learns it.

    Args:
        out: a folder for it.
        version: of the bundle.
        hidden: how many features there are.
        seed: of the parameters.
        classes: how many digits there are.
        width: how many numbers a row has.
        decoder: gives the row back in place of a digit, and learns that without labels.
    """
    made = model(hidden=hidden, seed=seed, classes=classes, width=width, decoder=decoder)
    loss = Reconstruction() if decoder else CrossEntropy()
    compile_federated_step(made, loss, rows=32, proximal=True).save(out / "step")
    files = {f"train/{path.name}": path.read_bytes() for path in (out / "step").iterdir()}
    data = ir.to_proto(made).SerializeToString()
    rule = WindowRule(length=1, hop=1, columns=COLUMNS[:width])
    manifest = Manifest(
        schema=1,
        name="digits",
        version=version,
        task="anomaly" if decoder else "classification",
        input=InputSpec(name="x", dtype="float32", shape=(1, 1, width), window=rule),
        output=OutputSpec(name="out", kind="reconstruction" if decoder else "logits"),
        models={"onnxruntime": "model.onnx"},
        files={},
        labels=None if decoder else "labels.txt",
        golden="golden.npz",
        thresholds=Thresholds(anomaly=1.0) if decoder else None,
    )
    engine = OnnxRuntimeEngine(data)
    golden = golden_file(golden_inputs(manifest.input, ()), engine, [engine], "out")
    files |= {"model.onnx": data, "golden.npz": golden}
    if not decoder:
        files["labels.txt"] = "".join(f"{label}\n" for label in LABELS[:classes]).encode()
    return write_bundle(out / "bundle", manifest, files=files)


def csv_of(rows: Array) -> str:
    """Rows of a CSV file, with a header."""
    lines = [",".join(COLUMNS)]
    lines += [",".join(f"{number:g}" for number in row) for row in rows]
    return "\n".join(lines) + "\n"


def append(path: Path, rows: Array) -> None:
    """Adds rows to the file that a daemon follows."""
    with path.open("a") as file:
        file.write(csv_of(rows).partition("\n")[2])


def fill(state: Path, bundle: Path, samples: Sequence[Array], *, job: str = "digits") -> None:
    """Gives a board samples that it might have collected."""
    specs = [spec for spec in open_step(bundle / "train").sample if spec.name != PRESENT]
    path = state / "federated" / job / "samples.db"
    with SampleBuffer(path, specs, limit_bytes=20_000_000) as buffer:
        for row, *label in zip(*samples, strict=True):
            buffer.add(row.reshape(specs[0].shape), *label)
