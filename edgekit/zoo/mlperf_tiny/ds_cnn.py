"""DS-CNN: keyword spotting of MLPerf Tiny (Banbury et al., 2021, arXiv:2106.07597)."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from edgekit.graph.build import GraphBuilder
from edgekit.zoo.mlperf_tiny.layers import Features, Layers, Weights
from edgekit.zoo.mlperf_tiny.samples import TinySamples, digit_spectra
from edgekit.zoo.mlperf_tiny.training import train

_FRAMES, _BANDS = 49, 10
_CLASSES = 12
_CHANNELS = 64
_BLOCKS = 4
_TRAINING = 5000


def build_ds_cnn(
    weights: Weights | None = None,
    *,
    training: int = _TRAINING,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ir.Model:
    """A wide Conv and four depthwise-separable blocks of 64 channels.

    Zhang et al., 2017, arXiv:1711.07128, the small variant.

    Args:
        weights: of the first Conv, each block's depthwise and 1 x 1 Conv, and the dense layer.
            Without them, it learns to read digits that are drawn as spectra: see `ds_cnn_samples`.
        training: how many spectra it learns from.
        seed: of the first weights, the spectra and their order.
        progress: called with steps of training done and all.

    Returns:
        `data` float32 `[1, 1, 49, 10]`, spectra over time, to `scores` float32 `[1, 12]`. What
        was learned has a BatchNormalization after each Conv; given weights have biases instead.

    Raises:
        UnsupportedModel: the weights are not DS-CNN's.
    """
    model = _graph(weights, seed)
    if weights is None:
        samples = ds_cnn_samples(training=training, test=0, seed=seed)
        train(model, samples.training, samples.training_targets, seed=seed, progress=progress)
    return model


def ds_cnn_samples(*, training: int = _TRAINING, test: int = 450, seed: int = 0) -> TinySamples:
    """What `build_ds_cnn` learns from with these arguments, and what tests it.

    Ten digits stand for words; class 10 is silence and class 11 an unknown word.
    """
    return digit_spectra(frames=_FRAMES, bands=_BANDS, training=training, test=test, seed=seed)


def _graph(weights: Weights | None, seed: int) -> ir.Model:
    build = GraphBuilder("ds_cnn")
    layers = Layers(build, weights, seed=seed)
    data = build.input("data", np.float32, (1, 1, _FRAMES, _BANDS))
    features = Features(data, 1, (_FRAMES, _BANDS))
    features = layers.relu(layers.conv(features, _CHANNELS, kernel=(10, 4), stride=2))
    for _ in range(_BLOCKS):
        features = layers.relu(layers.conv(features, _CHANNELS, depthwise=True))
        features = layers.relu(layers.conv(features, _CHANNELS, kernel=(1, 1)))
    logits = layers.dense(layers.pool(features), _CLASSES, last=True)
    scores = build.op("Softmax", logits.value, axis=1)
    return build.finish(scores=(scores, np.float32, (1, _CLASSES)))
