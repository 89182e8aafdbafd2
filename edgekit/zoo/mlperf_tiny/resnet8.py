"""ResNet-8: image classification of MLPerf Tiny (Banbury et al., 2021, arXiv:2106.07597)."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import onnx_ir as ir

from edgekit.graph.build import GraphBuilder
from edgekit.zoo.mlperf_tiny.layers import Features, Layers, Weights
from edgekit.zoo.mlperf_tiny.samples import TinySamples, digit_pictures
from edgekit.zoo.mlperf_tiny.training import train

_SIDE = 32
_CLASSES: Literal[10] = 10
_TRAINING = 4000


def build_resnet8(
    weights: Weights | None = None,
    *,
    training: int = _TRAINING,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ir.Model:
    """Three residual stacks (He et al., 2016, arXiv:1512.03385) of 16, 32 and 64 channels.

    Args:
        weights: of the 9 Convs, each shortcut's after its stack's two, and of the dense layer.
            Without them, it learns to read digits: see `resnet8_samples`.
        training: how many pictures it learns from.
        seed: of the first weights, the pictures and their order.
        progress: called with steps of training done and all.

    Returns:
        `data` float32 `[1, 3, 32, 32]` to `scores` float32 `[1, 10]`. What was learned has a
        BatchNormalization after each Conv; given weights have biases instead.

    Raises:
        UnsupportedModel: the weights are not ResNet-8's.
    """
    model = _graph(weights, seed)
    if weights is None:
        samples = resnet8_samples(training=training, test=0, seed=seed)
        train(model, samples.training, samples.training_targets, seed=seed, progress=progress)
    return model


def resnet8_samples(*, training: int = _TRAINING, test: int = 450, seed: int = 0) -> TinySamples:
    """What `build_resnet8` learns from with these arguments, and what tests it: digits."""
    return digit_pictures(side=_SIDE, classes=_CLASSES, training=training, test=test, seed=seed)


def _graph(weights: Weights | None, seed: int) -> ir.Model:
    build = GraphBuilder("resnet8")
    layers = Layers(build, weights, seed=seed)
    data = build.input("data", np.float32, (1, 3, _SIDE, _SIDE))
    features = layers.relu(layers.conv(Features(data, 3, (_SIDE, _SIDE)), 16))
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        inner = layers.relu(layers.conv(features, channels, stride=stride))
        inner = layers.conv(inner, channels)
        if stride != 1:
            features = layers.conv(features, channels, kernel=(1, 1), stride=stride)
        features = layers.relu(layers.add(features, inner))
    logits = layers.dense(layers.pool(features), _CLASSES, last=True)
    scores = build.op("Softmax", logits.value, axis=1)
    return build.finish(scores=(scores, np.float32, (1, _CLASSES)))
