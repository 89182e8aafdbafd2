"""A small classifier of handwritten digits, from data that ships with scikit-learn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from edgekit.array import Array
from edgekit.bundle import InputSpec, OutputSpec, PictureRule
from edgekit.compress.trained import TrainedModel
from edgekit.graph.build import GraphBuilder

_SIDE = 8
_BRIGHTEST = 16.0
_TEST_SHARE = 0.25


def build_digits(
    *,
    name: str = "digits",
    hidden: int = 64,
    epochs: int = 60,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> TrainedModel:
    """Trains a perceptron on three quarters of scikit-learn's 1,797 digits of 8 x 8 pixels.

    The graph takes `image` uint8 RGB `[1, 8, 8, 3]` and gives `scores` float32 `[1, 10]`.

    Args:
        name: of the bundle.
        hidden: width of the hidden layer.
        epochs: passes over the training pictures.
        seed: of weights and order.
        progress: called with epochs done and all.
    """
    pixels, targets = _digits()
    training = _training_rows(len(pixels))
    network = MLPClassifier(hidden_layer_sizes=(hidden,), random_state=seed)
    for epoch in range(epochs):
        network.partial_fit(pixels[training] / 255, targets[training], classes=np.arange(10))
        if progress is not None:
            progress(epoch + 1, epochs)
    accuracy = float(network.score(pixels[~training] / 255, targets[~training]))
    rule = PictureRule(height=_SIDE, width=_SIDE)
    build = GraphBuilder(name)
    image = build.input("image", np.uint8, rule.tensor_shape())
    floats = build.op("Cast", image, to=1)
    grey = build.op("ReduceMean", floats, axes=[3], keepdims=0)
    flat = build.op("Mul", build.op("Flatten", grey, axis=1), np.float32(1 / 255))
    first, second = (weights.astype(np.float32) for weights in network.coefs_)
    first_bias, second_bias = (bias.astype(np.float32) for bias in network.intercepts_)
    hidden_values = build.op("Relu", build.op("Gemm", flat, first, first_bias))
    logits = build.op("Gemm", hidden_values, second, second_bias)
    scores = build.op("Softmax", logits, axis=1)
    return TrainedModel(
        name=name,
        model=build.finish(scores=(scores, np.float32, (1, 10))),
        task="classification",
        input=InputSpec(name="image", dtype="uint8", shape=rule.tensor_shape(), picture=rule),
        output=OutputSpec(name="scores", kind="scores"),
        labels=tuple(str(digit) for digit in range(10)),
        facts={"test accuracy of the float model": accuracy},
    )


def write_digits(folder: Path, *, training: bool) -> None:
    """Writes the training or the test digits as PNG pictures with a `labels.csv`."""
    import cv2

    pixels, targets = _digits()
    chosen = _training_rows(len(pixels)) == training
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["file,class_index"]
    for number in np.flatnonzero(chosen):
        file = f"digit-{number:04d}.png"
        cv2.imwrite(str(folder / file), pixels[number].reshape(_SIDE, _SIDE).astype(np.uint8))
        lines.append(f"{file},{targets[number]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _digits() -> tuple[Array, Array]:
    """Whole grey levels 0-255, float64 `[1797, 64]`, and classes int64 `[1797]`."""
    pixels, targets = load_digits(return_X_y=True)
    return np.rint(pixels * (255 / _BRIGHTEST)), targets


def _training_rows(count: int) -> Array:
    """Which pictures train, bool `[count]`; the same at every call."""
    order = np.random.default_rng(0).permutation(count)
    training = np.zeros(count, bool)
    training[order[round(count * _TEST_SHARE) :]] = True
    return training
