"""MobileNetV1 0.25: person detection of MLPerf Tiny (Banbury et al., 2021, arXiv:2106.07597)."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import onnx_ir as ir

from edgekit.graph.build import GraphBuilder
from edgekit.zoo.mlperf_tiny.layers import Features, Layers, Weights
from edgekit.zoo.mlperf_tiny.samples import TinySamples, digit_pictures
from edgekit.zoo.mlperf_tiny.training import train

_SIDE = 96
_FIRST = 8
_BLOCKS = (
    (16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1), (128, 1),
    (128, 1), (128, 1), (256, 2), (256, 1),
)  # fmt: skip
"""Channels of each block, a quarter of the paper's, and the stride of its depthwise Conv."""
_TRAINING = 6000
_RATE = 1e-2


def build_mobilenet(
    weights: Weights | None = None,
    *,
    classes: Literal[2, 10] = 2,
    side: int = _SIDE,
    training: int = _TRAINING,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ir.Model:
    """Thirteen depthwise-separable blocks (Howard et al., 2017, arXiv:1704.04861).

    Args:
        weights: of the first Conv, each block's depthwise and 1 x 1 Conv, and the dense layer.
            Without them, it learns to see digits: see `mobilenet_samples`.
        classes: 2 to see whether there is a digit, 10 to tell which.
        side: height and width of the picture.
        training: how many pictures it learns from.
        seed: of the first weights, the pictures and their order.
        progress: called with steps of training done and all.

    Returns:
        `data` float32 `[1, 3, side, side]` to `scores` float32 `[1, classes]`. What was learned
        has a BatchNormalization after each Conv; given weights have biases instead.

    Raises:
        UnsupportedModel: the weights are not MobileNetV1 0.25's.
    """
    model = _graph(weights, classes, side, seed)
    if weights is None:
        samples = mobilenet_samples(
            classes=classes, side=side, training=training, test=0, seed=seed
        )
        targets = samples.training_targets
        train(model, samples.training, targets, rate=_RATE, seed=seed, progress=progress)
    return model


def mobilenet_samples(
    *,
    classes: Literal[2, 10] = 2,
    side: int = _SIDE,
    training: int = _TRAINING,
    test: int = 450,
    seed: int = 0,
) -> TinySamples:
    """What `build_mobilenet` learns from with these arguments, and what tests it: digits."""
    return digit_pictures(side=side, classes=classes, training=training, test=test, seed=seed)


def _graph(weights: Weights | None, classes: int, side: int, seed: int) -> ir.Model:
    build = GraphBuilder("mobilenet_v1_025")
    layers = Layers(build, weights, seed=seed)
    data = build.input("data", np.float32, (1, 3, side, side))
    features = layers.relu(layers.conv(Features(data, 3, (side, side)), _FIRST, stride=2))
    for channels, stride in _BLOCKS:
        features = layers.conv(features, features.channels, stride=stride, depthwise=True)
        features = layers.relu(features)
        features = layers.relu(layers.conv(features, channels, kernel=(1, 1)))
    logits = layers.dense(layers.pool(features), classes, last=True)
    scores = build.op("Softmax", logits.value, axis=1)
    return build.finish(scores=(scores, np.float32, (1, classes)))
