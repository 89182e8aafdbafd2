"""The models that a training recipe may name, made for the data that they will learn from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.bundle import InputSpec, OutputSpec, PictureRule, WindowRule
from edgekit.bundle.manifest import Task
from edgekit.errors import InputError
from edgekit.graph.build import GraphBuilder
from edgekit.train.bounds import Count, Positive
from edgekit.train.initializers import reinitialized
from edgekit.zoo.squeezenet import build_squeezenet

SCALED = "scaled"
"""What models of numbers call their input after each column was brought to mean 0, deviation 1."""


@dataclass(frozen=True)
class Facts:
    """What is known of some data before a model is made for it.

    Attributes:
        shape: of a sample; `None` for pictures, which are cut to any size.
        classes: how many there are, or how many numbers a target has; 0 without targets.
        are_classes: whether targets are classes.
        centre: the mean of each column, float64 `[shape[-1]]`.
        scale: its deviation; 1 for a constant one.
        window: how windows are cut from rows, where the samples are that.
        seed: of the first weights.
    """

    shape: tuple[int, ...] | None
    classes: int
    are_classes: bool
    centre: Array
    scale: Array
    window: WindowRule | None
    seed: int


@dataclass(frozen=True)
class Untrained:
    """A model before its training.

    Attributes:
        model: float32, a batch of one. One of pictures takes the tensor that `input.picture` says.
        input: what it takes.
        output: what it answers with; the loss judges its first output.
        task: what it is for.
        false_alarm_rate: of an anomaly model, the share of normal samples that may alarm.
    """

    model: ir.Model
    input: InputSpec
    output: OutputSpec
    task: Task
    false_alarm_rate: float | None = None


def squeezenet(facts: Facts, *, size: int = 64, width: Positive = 0.25) -> Untrained:
    """SqueezeNet 1.1 with a share of its channels, on pictures of `size` pixels a side."""
    _require_classes(facts, "squeezenet")
    if facts.shape is not None:
        raise InputError(f"a squeezenet takes pictures, but the data is {list(facts.shape)}")
    if size < 33:
        raise InputError(f"model.size: {size} pixels are too few: three poolings need 33")
    model = build_squeezenet(classes=facts.classes, size=size, width=width, seed=facts.seed)
    return _classifier(model, _picture(size, size, channels="RGB"))


def perceptron(facts: Facts, *, hidden: Sequence[Count] = (64,), size: Count = 8) -> Untrained:
    """Dense layers, on arrays or on grey pictures of `size` pixels a side."""
    build = GraphBuilder("perceptron")
    if facts.shape is None:
        spec = _picture(size, size, channels="GRAY")
        value = build.input(spec.name, np.float32, spec.shape)
    else:
        spec, value = _scaled(build, facts)
    flat = build.op("Flatten", value, axis=1)
    made = _dense(build, flat, (int(np.prod(spec.shape)), *hidden, facts.classes))
    return _finished(build, made, facts, spec)


def lstm(facts: Facts, *, hidden: Count = 24) -> Untrained:
    """One LSTM over the rows of a window, and a dense layer on what it says after the last.

    Hochreiter and Schmidhuber, 1997, Neural Computation 9, 1735.
    """
    if facts.shape is None or len(facts.shape) != 2:
        raise InputError("an lstm takes windows of rows: data of the shape [rows, columns]")
    build = GraphBuilder("lstm")
    spec, value = _scaled(build, facts)
    columns = facts.shape[1]
    bias = np.zeros((1, 8 * hidden), np.float32)
    _, last, _ = build.op_many(
        "LSTM",
        build.op("Transpose", value, perm=[1, 0, 2]),
        build.constant(np.zeros((1, 4 * hidden, columns), np.float32), "lstm.weight"),
        build.constant(np.zeros((1, 4 * hidden, hidden), np.float32), "lstm.recurrence"),
        build.constant(bias, "lstm.bias"),
        outputs=3,
        hidden_size=hidden,
    )
    made = _dense(build, build.op("Squeeze", last, np.array([0])), (hidden, facts.classes))
    return _finished(build, made, facts, spec, by="glorot")


def autoencoder(
    facts: Facts, *, hidden: Sequence[Count] = (16, 4, 16), false_alarm_rate: float = 0.01
) -> Untrained:
    """Dense layers through a narrow middle that give back the window they are shown.

    `reconstruction` is the scaled window again, so the loss is `reconstruction` with
    `of = "scaled"`; `score` `[1]` is its mean squared error, in deviations of each column.
    Hinton and Salakhutdinov, 2006, Science 313, 504.
    """
    if facts.shape is None:
        raise InputError("an autoencoder takes arrays or windows of rows, no pictures")
    if not 0 < false_alarm_rate < 1:
        raise InputError(f"model.false_alarm_rate: {false_alarm_rate} is not between 0 and 1")
    build = GraphBuilder("autoencoder")
    spec, value = _scaled(build, facts)
    count = int(np.prod(spec.shape))
    flat = build.op("Flatten", value, axis=1)
    made = _dense(build, flat, (count, *hidden, count))
    error = build.op("Sub", made, flat)
    score = build.op("ReduceMean", build.op("Mul", error, error), axes=[1], keepdims=0)
    reconstruction = build.op("Reshape", made, np.array(spec.shape))
    model = build.finish(
        reconstruction=(reconstruction, np.float32, spec.shape), score=(score, np.float32, (1,))
    )
    return Untrained(
        reinitialized(model, seed=facts.seed),
        spec,
        OutputSpec(name="score", kind="score"),
        "anomaly",
        false_alarm_rate,
    )


MODELS: dict[str, Callable[..., Untrained]] = {
    "autoencoder": autoencoder,
    "lstm": lstm,
    "perceptron": perceptron,
    "squeezenet": squeezenet,
}


def _picture(height: int, width: int, *, channels: str) -> InputSpec:
    """Pixels from -1 to 1, channels first."""
    rule = PictureRule(
        height=height,
        width=width,
        layout="NCHW",
        channels=channels,  # type: ignore[arg-type]
        mean=(127.5,),
        std=(127.5,),
    )
    return InputSpec(name="data", dtype="float32", shape=rule.tensor_shape(), picture=rule)


def _scaled(build: GraphBuilder, facts: Facts) -> tuple[InputSpec, ir.Value]:
    """An input of numbers in their own units, and its value after scaling."""
    assert facts.shape is not None
    shape = (1, *facts.shape)
    name = "data" if facts.window is None else "window"
    raw = build.input(name, np.float32, shape)
    moved = build.op("Sub", raw, facts.centre.astype(np.float32))
    value = build.op("Mul", moved, (1 / facts.scale).astype(np.float32))
    value.name = SCALED
    return InputSpec(name=name, dtype="float32", shape=shape, window=facts.window), value


def _dense(build: GraphBuilder, value: ir.Value, widths: Sequence[int]) -> ir.Value:
    """Dense layers of zeros with a Relu between two; the last is called head."""
    for number, (into, out) in enumerate(pairwise(widths)):
        name = "head" if number == len(widths) - 2 else f"layer{number}"
        if number:
            value = build.op("Relu", value)
        weights = build.constant(np.zeros((into, out), np.float32), f"{name}.weight")
        bias = build.constant(np.zeros(out, np.float32), f"{name}.bias")
        value = build.op("Gemm", value, weights, bias)
    return value


def _finished(
    build: GraphBuilder, value: ir.Value, facts: Facts, spec: InputSpec, *, by: str = "he"
) -> Untrained:
    """The model with first weights: a classifier where targets are classes, else of numbers."""
    if not facts.classes:
        raise InputError("the data has no classes and no targets to learn")
    shape = (1, facts.classes)
    if facts.are_classes:
        scores = build.op("Softmax", value, axis=1)
        model = build.finish(scores=(scores, np.float32, shape))
        return _classifier(reinitialized(model, by, seed=facts.seed), spec)
    model = build.finish(values=(value, np.float32, shape))
    output = OutputSpec(name="values", kind="raw")
    return Untrained(reinitialized(model, by, seed=facts.seed), spec, output, "raw")


def _classifier(model: ir.Model, spec: InputSpec) -> Untrained:
    return Untrained(model, spec, OutputSpec(name="scores", kind="scores"), "classification")


def _require_classes(facts: Facts, name: str) -> None:
    if not facts.are_classes:
        raise InputError(f"a {name} learns classes, and the data has none")
