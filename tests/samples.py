"""Small models, pictures and bundles for tests: all made here, with seeds."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnx_ir as ir

from edgekit.array import Array
from edgekit.bundle import (
    Bundle,
    InputSpec,
    Manifest,
    OutputSpec,
    PictureRule,
    Thresholds,
    WindowRule,
    write_bundle,
)
from edgekit.compress.golden import golden_file, golden_inputs
from edgekit.graph.build import GraphBuilder
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine

CLASSES = 4
SIDE = 16


def conv_net(*, padding: int = 0, layout: str = "NCHW", softmax: bool = True) -> ir.Model:
    """A little picture classifier, float32 `[1, 3, 16, 16]` to `[1, 4]`."""
    rng = np.random.default_rng(0)
    build = GraphBuilder("little")
    shape = (1, 3, SIDE, SIDE) if layout == "NCHW" else (1, SIDE, SIDE, 3)
    value = data = build.input("data", np.float32, shape)
    if layout == "NHWC":
        value = build.op("Transpose", data, perm=[0, 3, 1, 2])
    kernel = rng.normal(0, 0.02, (8, 3, 3, 3)).astype(np.float32)
    bias = rng.normal(0, 0.5, 8).astype(np.float32)
    value = build.op("Relu", build.op("Conv", value, kernel, bias, pads=[padding] * 4))
    value = build.op("Flatten", build.op("GlobalAveragePool", value), axis=1)
    head = rng.normal(0, 1, (8, CLASSES)).astype(np.float32)
    value = build.op("MatMul", value, head)
    if softmax:
        value = build.op("Softmax", value, axis=1)
    return build.finish(out=(value, np.float32, (1, CLASSES)))


def save(model: ir.Model, path: Path) -> Path:
    """Writes a model to a file."""
    onnx.save(ir.to_proto(model), path)
    return path


def pictures(folder: Path, count: int = 12) -> Path:
    """A folder of pictures in four colours, with a labels.csv."""
    rng = np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["file,class_index"]
    for number in range(count):
        colour = np.eye(4)[number % CLASSES][:3] * 200
        picture = np.clip(rng.normal(colour, 30, (24, 20, 3)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"p{number:02d}.png"), picture)
        lines.append(f"p{number:02d}.png,{number % CLASSES}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def video(path: Path, frames: int = 30) -> Path:
    """A short video of changing greys."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (32, 24))
    for number in range(frames):
        writer.write(np.full((24, 32, 3), number * 8, np.uint8))
    writer.release()
    return path


def window_model(length: int = 4, columns: int = 2) -> ir.Model:
    """Gives the mean of a window as its score."""
    build = GraphBuilder("mean")
    window = build.input("window", np.float32, (1, length, columns))
    flat = build.op("Reshape", window, np.array([1, length * columns]))
    score = build.op("ReduceMean", flat, axes=[1], keepdims=0)
    return build.finish(score=(score, np.float32, (1,)))


def window_manifest(length: int = 4, columns: tuple[str, ...] = ("a", "b")) -> Manifest:
    """The manifest of `window_model`: scores above 10 are anomalous."""
    rule = WindowRule(length=length, hop=length, columns=columns)
    shape = (1, length, len(columns))
    return Manifest(
        schema=1,
        name="mean",
        version="1.0.0",
        task="anomaly",
        input=InputSpec(name="window", dtype="float32", shape=shape, window=rule),
        output=OutputSpec(name="score", kind="score"),
        models={"onnxruntime": "model.onnx"},
        files={},
        golden="golden.npz",
        thresholds=Thresholds(anomaly=10.0),
    )


def window_bundle(out: Path) -> Bundle:
    """A bundle of windows of 4 rows with the columns a and b; the score is their mean."""
    manifest = window_manifest()
    return _bundle(out, manifest, window_model())


def picture_bundle(out: Path, *, version: str = "1.0.0", upside_down: bool = False) -> Bundle:
    """A bundle that says which of four places of a picture is brightest, or darkest."""
    rule = PictureRule(height=SIDE, width=SIDE)
    build = GraphBuilder("brightest")
    image = build.input("image", np.uint8, rule.tensor_shape())
    floats = build.op("Cast", image, to=1)
    pooled = build.op("Transpose", floats, perm=[0, 3, 1, 2])
    pooled = build.op("AveragePool", pooled, kernel_shape=[8, 8], strides=[8, 8])
    pooled = build.op("ReduceMean", pooled, axes=[1], keepdims=0)
    if upside_down:
        tilt = np.array([[[0, 5], [10, 200]]], np.float32)
        pooled = build.op("Sub", tilt, pooled)
    scores = build.op("Softmax", build.op("Flatten", pooled, axis=1), axis=1)
    manifest = Manifest(
        schema=1,
        name="brightest",
        version=version,
        task="classification",
        input=InputSpec(name="image", dtype="uint8", shape=rule.tensor_shape(), picture=rule),
        output=OutputSpec(name="scores", kind="scores"),
        models={"onnxruntime": "model.onnx"},
        files={},
        labels="labels.txt",
        golden="golden.npz",
    )
    model = build.finish(scores=(scores, np.float32, (1, CLASSES)))
    return _bundle(out, manifest, model, {"labels.txt": b"tl\ntr\nbl\nbr\n"})


def _bundle(
    out: Path, manifest: Manifest, model: ir.Model, more: dict[str, bytes] | None = None
) -> Bundle:
    data = ir.to_proto(model).SerializeToString()
    engine = OnnxRuntimeEngine(data)
    inputs: Array = golden_inputs(manifest.input, ())
    golden = golden_file(inputs, engine, [engine], manifest.output.name)
    files = {"model.onnx": data, "golden.npz": golden, **(more or {})}
    return write_bundle(out, manifest, files=files)
