"""Encoders of digits, digits without labels, and how much an encoder's features tell."""

from functools import cache

import numpy as np
import onnx_ir as ir
from sklearn.datasets import load_digits

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder
from edgekit.train.initializers import reinitialized
from edgekit.train.tasks import embed, linear_probe

LABELS = 50


@cache
def digits() -> tuple[Array, Array]:
    """All digits, float32 `[1797, 1, 8, 8]` from 0 to 1, in an order of chance."""
    pixels, targets = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(pixels))
    return (pixels[order] / 16).astype(np.float32).reshape(-1, 1, 8, 8), targets[order]


def unlabelled() -> Array:
    return digits()[0][:1200]


def perceptron(*, features: int = 16, seed: int = 3) -> ir.Model:
    build = GraphBuilder("encoder")
    value = build.op("Flatten", build.input("x", np.float32, (1, 1, 8, 8)), axis=1)
    for number, (n, m) in enumerate(((64, 64), (64, features))):
        if number:
            value = build.op("Relu", value)
        w = build.constant(np.zeros((n, m), np.float32), f"dense{number}.weights")
        b = build.constant(np.zeros(m, np.float32), f"dense{number}.bias")
        value = build.op("Gemm", value, w, b)
    return reinitialized(build.finish(features=(value, np.float32, (1, features))), seed=seed)


def convolutional(*, seed: int = 3) -> ir.Model:
    build = GraphBuilder("encoder")
    value = build.input("x", np.float32, (1, 1, 8, 8))
    for number, (n, m) in enumerate(((1, 8), (8, 32))):
        if number:
            value = build.op("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])
        w = build.constant(np.zeros((m, n, 3, 3), np.float32), f"conv{number}.weights")
        b = build.constant(np.zeros(m, np.float32), f"conv{number}.bias")
        value = build.op("Relu", build.op("Conv", value, w, b, pads=[1, 1, 1, 1]))
    value = build.op("Flatten", build.op("GlobalMaxPool", value), axis=1)
    return reinitialized(build.finish(features=(value, np.float32, (1, 32))), seed=seed)


def moved(samples: Array, rng: np.random.Generator) -> Array:
    """By up to a pixel each way, lighter or darker, and with noise."""
    wide = np.pad(samples, ((0, 0), (0, 0), (1, 1), (1, 1)))
    places = rng.integers(0, 3, (len(samples), 2))
    cut = [one[:, y : y + 8, x : x + 8] for one, (y, x) in zip(wide, places, strict=True)]
    found = np.stack(cut) * rng.uniform(0.7, 1.3, (len(samples), 1, 1, 1))
    return (found + rng.normal(0, 0.15, samples.shape)).astype(np.float32)


def probed(encoder: ir.Model) -> float:
    """The accuracy of a linear probe of 50 labels, the mean over five draws of them."""
    x, y = digits()
    found = []
    for draw in range(5):
        order = np.random.default_rng(draw).permutation(np.arange(1200, len(x)))
        chosen, others = order[:LABELS], order[LABELS:]
        model = linear_probe(encoder, x[chosen], y[chosen], classes=10)
        found.append((embed(model, x[others]).argmax(axis=1) == y[others]).mean())
    return float(np.mean(found))
