"""Bundles of small INT8 nets, and their C compiled and called beside LiteRT."""

import ctypes
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.bundle import Bundle, InputSpec, Manifest, OutputSpec, Thresholds, WindowRule
from edgekit.bundle.manifest import OutputKind, Task
from edgekit.compress import Recipe, TrainedModel, compress_trained
from edgekit.compress.data import Samples
from edgekit.convert.c import export_c
from edgekit.convert.c.export import tflite_of
from edgekit.convert.c.header import header
from edgekit.convert.c.lookup import giving, run_all
from edgekit.convert.c.model import CModel, lower_model
from edgekit.convert.c.reading import Tensor, read_network
from edgekit.convert.c.source import source_text
from edgekit.convert.c.writing import Writing
from edgekit.graph.build import GraphBuilder
from edgekit.graph.load import canonical
from edgekit.train.initializers import reinitialized

_NUMBERS = count()
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror")


@dataclass(frozen=True)
class Running:
    """An exported model, compiled for this machine."""

    name: str
    model: CModel
    manifest: Manifest
    data: bytes
    library: ctypes.CDLL
    arena: Any

    @classmethod
    def of(cls, bundle: Bundle, folder: Path, *, how: Sequence[str] = ("-O2",)) -> "Running":
        """Exports a bundle and compiles it as a shared library."""
        name = export_c(bundle.path, out=folder, replace=True).name
        return cls._compiled(name, folder, tflite_of(bundle), bundle.manifest, how)

    @classmethod
    def up_to(cls, data: bytes, tensor: str | None, folder: Path) -> "Running":
        """The C of a TFLite file whose answer is the tensor of this name; by default its own."""
        network = read_network(data)
        found = next(t for t in network.tensors if t.name == tensor) if tensor else None
        if found is not None:
            data = giving(data, (found,))
        given, output = network.inputs[0], found or network.tensors[network.outputs[0]]
        taken = network.tensors[given]
        manifest = Manifest(
            schema=1, name="one", version="1.0.0", task="raw", models={"litert": "x"}, files={},
            input=InputSpec(name="x", dtype="float32", shape=taken.shape),
            output=OutputSpec(name=output.name, kind="raw"),
        )  # fmt: skip
        writing = Writing("one", lower_model(data, manifest), manifest, (), "0" * 12)
        folder.mkdir(exist_ok=True)
        (folder / "one.h").write_text(header(writing))
        (folder / "one.c").write_text(source_text(writing))
        return cls._compiled("one", folder, data, manifest, ("-O1",))

    @classmethod
    def _compiled(
        cls, name: str, folder: Path, data: bytes, manifest: Manifest, how: Sequence[str]
    ) -> "Running":
        library = folder / f"{name}{next(_NUMBERS)}.so"  # a name anew: libraries are kept by name
        command = ["gcc", *STRICT, *how, "-shared", "-fPIC", f"{name}.c", "-o", library]
        subprocess.run(command, cwd=folder, check=True)
        model = lower_model(data, manifest)
        size = model.bytes_size + 4 * model.answer.target.size
        arena = (ctypes.c_float * (size // 4 + 2))()
        return cls(name, model, manifest, data, ctypes.CDLL(str(library)), arena)

    def prepare(self, readings: Array) -> Array:
        """The first int8 tensor of each reading."""
        call = getattr(self.library, f"{self.name}_prepare")
        kind = np.uint8 if self.model.entry.source.dtype == np.uint8 else np.float32
        return self._each(call, np.ascontiguousarray(readings, kind), np.int8,
                          self.model.entry.target.size, arena=False)  # fmt: skip

    def run(self, integers: Array) -> Array:
        """What the network gives for each of several int8 inputs."""
        call = getattr(self.library, f"{self.name}_run")
        dtype = np.float32 if self.model.gives_floats else np.int8
        return self._each(call, integers, dtype, self.model.answer.target.size)

    def scores(self, readings: Array) -> Array:
        """The anomaly score of each reading."""
        call = getattr(self.library, f"{self.name}_score")
        call.restype = ctypes.c_float
        return np.array([call(_pointer(one), self.arena) for one in readings.astype(np.float32)])

    def probabilities(self, readings: Array) -> tuple[Array, Array]:
        """The class of each reading, and the probabilities."""
        call = getattr(self.library, f"{self.name}_classify")
        call.restype = ctypes.c_int32
        kind = np.uint8 if self.model.entry.source.dtype == np.uint8 else np.float32
        out = np.zeros((len(readings), self.model.answer.target.size), np.float32)
        best = [
            call(_pointer(one), _pointer(row), self.arena)
            for one, row in zip(np.ascontiguousarray(readings, kind), out, strict=True)
        ]
        return np.array(best), out

    def litert(self, inputs: Array) -> tuple[Array, Array, Array]:
        """What LiteRT gives: the first int8 tensor, the last tensor, and the bundle's output."""
        model = self.model
        first, last = model.entry.target, model.answer.target
        is_first = model.entry.source.index == first.index
        integers = inputs if is_first else run_all(giving(self.data, (first,)), inputs)[0]
        (outputs,) = run_all(giving(self.data, (last,)), inputs)
        (answers,) = run_all(giving(self.data, (self.output,)), inputs)
        flat = (array.reshape(len(inputs), -1) for array in (integers, outputs, answers))
        return tuple(flat)  # type: ignore[return-value]

    @property
    def output(self) -> Tensor:
        """The file's tensor that the manifest names."""
        return next(t for t in self.tensors if t.name == self.manifest.output.name)

    @property
    def tensors(self) -> Sequence[Tensor]:
        """Every tensor of the file."""
        return read_network(self.data).tensors

    def _each(
        self, call: Any, inputs: Array, dtype: Any, size: int, *, arena: bool = True
    ) -> Array:
        out = np.zeros((len(inputs), size), dtype)
        more = (self.arena,) if arena else ()
        for one, row in zip(np.ascontiguousarray(inputs), out, strict=True):
            call(_pointer(one), _pointer(row), *more)
        return out


def _pointer(array: Array) -> Any:
    return array.ctypes.data_as(ctypes.c_void_p)


def readings(shape: Sequence[int], number: int, *, seed: int = 0, spread: float = 1.0) -> Array:
    """Waves with noise, float32 `[number, *shape]`; some far beyond what is usual."""
    rng = np.random.default_rng(seed)
    steps = np.arange(np.prod(shape)).reshape(tuple(shape))
    extra = (number, *[1] * len(shape))
    waves = np.sin(steps / rng.uniform(2, 20, extra) + rng.uniform(0, 6, extra))
    sizes = spread * np.exp(rng.normal(0, 0.5, extra))
    noise = rng.normal(0, 0.3, (number, *shape))
    return ((waves + noise) * sizes).astype(np.float32)


def dense_autoencoder(width: int = 64, hidden: Sequence[int] = (32, 8, 32)) -> ir.Model:
    """`data` [1, width] to `reconstruction` of the same; random weights."""
    build = GraphBuilder("dense")
    value = data = build.input("data", np.float32, (1, width))
    sizes = (width, *hidden, width)
    for number, (into, out) in enumerate(pairwise(sizes)):
        value = build.op("Relu", value) if number else value
        weights = build.constant(np.zeros((into, out), np.float32), f"w{number}")
        value = build.op(
            "Gemm", value, weights, build.constant(np.zeros(out, np.float32), f"b{number}")
        )
    del data
    model = build.finish(reconstruction=(value, np.float32, (1, width)))
    return reinitialized(model, seed=1)


def conv_autoencoder(rows: int = 48, columns: int = 3) -> ir.Model:
    """Windows to a score: convolutions in time, a dense middle, and back; random weights."""
    build = GraphBuilder("conv")
    window = build.input("window", np.float32, (1, rows, columns))
    scaled = build.op("Mul", window, np.array([0.5, 1.0, 2.0][:columns], np.float32))
    value = build.op("Transpose", scaled, perm=[0, 2, 1])
    value = build.op("Relu", _conv(build, value, columns, 12, 5, strides=[2], pads=[2, 2]))
    value = build.op("Relu", _conv(build, value, 12, 16, 3, strides=[2], pads=[1, 1]))
    flat = build.op("Reshape", value, np.array([1, -1]))
    middle = build.op("Relu", _gemm(build, flat, 4 * rows, 10))
    value = build.op("Relu", _gemm(build, middle, 10, 4 * rows))
    value = build.op("Reshape", value, np.array([1, 16, rows // 4]))
    for into, out in ((16, 12), (12, columns)):
        how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        sizes = np.array([1, 1, 2], np.float32)
        value = build.op("Resize", value, None, sizes, mode="nearest", **how)
        value = _conv(build, value, into, out, 3, pads=[1, 1])
        value = build.op("Relu", value) if out != columns else value
    error = build.op("Sub", build.op("Transpose", value, perm=[0, 2, 1]), scaled)
    square = build.op("Reshape", build.op("Mul", error, error), np.array([1, -1]))
    score = build.op("ReduceMean", square, axes=[1], keepdims=0)
    return reinitialized(build.finish(score=(score, np.float32, (1,))), seed=2)


def conv_classifier(rows: int = 40, columns: int = 3, classes: int = 5) -> ir.Model:
    """Windows to probabilities: convolutions in time, a residual, pools; random weights."""
    build = GraphBuilder("classify")
    window = build.input("window", np.float32, (1, rows, columns))
    value = build.op("Transpose", window, perm=[0, 2, 1])
    value = build.op("Relu", _conv(build, value, columns, 8, 5, pads=[2, 2]))
    value = build.op("MaxPool", value, kernel_shape=[2], strides=[2])
    kept = value
    value = build.op("Relu", _conv(build, value, 8, 8, 3, pads=[1, 1]))
    value = build.op("Relu", build.op("Add", kept, _conv(build, value, 8, 8, 3, pads=[1, 1])))
    value = build.op("Relu", _conv(build, value, 8, 8, 3, group=8, strides=[2], pads=[1, 1]))
    value = build.op("Relu", _conv(build, value, 8, 18, 1))
    value = build.op("Flatten", build.op("GlobalAveragePool", value), axis=1)
    scores = build.op("Softmax", _gemm(build, value, 18, classes), axis=1)
    return reinitialized(build.finish(scores=(scores, np.float32, (1, classes))), seed=3)


def compressed(
    model: ir.Model,
    samples: Array,
    out: Path,
    *,
    task: Task,
    kind: OutputKind,
    name: str = "little",
    labels: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
    formats: tuple[Any, ...] = ("tflite",),
) -> Bundle:
    """The bundle that the quantize step makes of a float model.

    Args:
        model: float, of one input and output.
        samples: to calibrate on, `[N, *shape without the batch]`.
        out: the bundle's folder.
        task: what it is for.
        kind: what its output is.
        name: the bundle's.
        labels: of classes.
        columns: of windows.
        formats: of its files.
    """
    given = model.graph.inputs[0]
    shape = tuple(int(axis) for axis in given.shape or ())  # type: ignore[call-overload]
    rule = WindowRule(length=shape[1], hop=8, columns=columns) if columns else None
    trained = TrainedModel(
        name=name,
        model=canonical(ir.to_proto(model), where=name),
        task=task,
        input=InputSpec(name=str(given.name), dtype="float32", shape=shape, window=rule),
        output=OutputSpec(name=str(model.graph.outputs[0].name), kind=kind),
        labels=labels,
        thresholds=Thresholds(anomaly=0.5) if task == "anomaly" else None,
    )
    listed = Samples(tuple(map(str, range(len(samples)))), None, list(samples))
    return compress_trained(trained, listed, Recipe(formats=formats), out=out).bundle


def _conv(
    build: GraphBuilder,
    value: ir.Value,
    into: int,
    out: int,
    size: int,
    *,
    group: int = 1,
    **how: Any,
) -> ir.Value:
    number = next(_NUMBERS)
    weights = build.constant(np.zeros((out, into // group, size), np.float32), f"k{number}")
    bias = build.constant(np.full(out, 0.1, np.float32), f"c{number}")
    return build.op("Conv", value, weights, bias, group=group, **how)


def _gemm(build: GraphBuilder, value: ir.Value, into: int, out: int) -> ir.Value:
    number = next(_NUMBERS)
    weights = build.constant(np.zeros((into, out), np.float32), f"w{number}")
    return build.op(
        "Gemm", value, weights, build.constant(np.full(out, 0.1, np.float32), f"b{number}")
    )
