"""Small models to train, and the digits that ship with scikit-learn."""

from itertools import pairwise

import numpy as np
import onnx_ir as ir
from sklearn.datasets import load_digits

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder
from edgekit.train.data.arrays import Arrays

CLASSES = 10


def mlp(
    sizes: tuple[int, ...] = (64, 32, CLASSES),
    *,
    softmax: bool = True,
    batch: int | str = 1,
    seed: int = 0,
) -> ir.Model:
    """Layers of Gemm and Relu with the parameters w0, b0, w1, ...; x `[1, n]` to out `[1, m]`."""
    rng = np.random.default_rng(seed)
    build = GraphBuilder("mlp")
    value = build.input("x", np.float32, (batch, sizes[0]))
    for number, (n, m) in enumerate(pairwise(sizes)):
        if number:
            value = build.op("Relu", value)
        w = build.constant(rng.normal(0, (2 / n) ** 0.5, (n, m)).astype(np.float32), f"w{number}")
        b = build.constant(rng.normal(0, 0.1, m).astype(np.float32), f"b{number}")
        value = build.op("Gemm", value, w, b)
    if softmax:
        value = build.op("Softmax", value, axis=1)
    return build.finish(out=(value, np.float32, (batch, sizes[-1])))


def cnn(*, seed: int = 0) -> ir.Model:
    """Two convolutions and a dense layer for pictures `[1, 1, 8, 8]`."""
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> Array:
        fan_in = int(np.prod(shape[1:]))
        return rng.normal(0, (2 / fan_in) ** 0.5, shape).astype(np.float32)

    build = GraphBuilder("cnn")
    value = build.input("x", np.float32, (1, 1, 8, 8))
    for number, (n, m) in enumerate(((1, 8), (8, 16))):
        w = build.constant(weights(m, n, 3, 3), f"conv{number}.w")
        b = build.constant(rng.normal(0, 0.1, m).astype(np.float32), f"conv{number}.b")
        value = build.op("Relu", build.op("Conv", value, w, b, pads=[1, 1, 1, 1]))
        value = build.op("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])
    value = build.op("Reshape", value, np.array([1, 64]))
    head = build.constant(weights(CLASSES, 64).T.copy(), "head.w")
    value = build.op(
        "Add",
        build.op("MatMul", value, head),
        build.constant(np.zeros(CLASSES, np.float32), "head.b"),
    )
    return build.finish(out=(value, np.float32, (1, CLASSES)))


def lstm(*, begins: bool) -> ir.Model:
    """An LSTM over windows `[1, 6, 3]`, perhaps with a state to begin with, and a dense layer."""
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> Array:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    build = GraphBuilder("lstm")
    x = build.input("x", np.float32, (1, 6, 3))
    state = np.zeros((1, 1, 8), np.float32)
    value = build.op_many(
        "LSTM",
        build.op("Transpose", x, perm=[1, 0, 2]),
        build.constant(weights(1, 32, 3), "w"),
        build.constant(weights(1, 32, 8), "r"),
        build.constant(np.zeros((1, 64), np.float32), "b"),
        *((None, state, state) if begins else ()),
        outputs=2,
        hidden_size=8,
    )[1]
    head = build.constant(weights(8, 2), "head.w")
    value = build.op("Gemm", build.op("Squeeze", value, np.array([0])), head)
    return build.finish(out=(value, np.float32, (1, 2)))


def digits(*shape: int) -> tuple[Arrays, Arrays]:
    """1347 digits to train with and 450 to validate, each float32 of `shape`."""
    pixels, targets = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(pixels))
    x = (pixels[order] / 16).astype(np.float32).reshape(-1, *shape)
    y = targets[order]
    return Arrays(x[:1347], y[:1347]), Arrays(x[1347:], y[1347:])


def accuracy(outputs: Array, targets: Array) -> float:
    return float((outputs.argmax(axis=1) == targets).mean())
