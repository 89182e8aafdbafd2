"""The dense autoencoder: anomaly detection of MLPerf Tiny (Banbury et al., 2021, arXiv:2106.07597).

The same net is the baseline of DCASE 2020's task 2 (Koizumi et al., 2020, arXiv:2006.05822).
"""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from edgekit.graph.build import GraphBuilder
from edgekit.zoo.mlperf_tiny.layers import Features, Layers, Weights
from edgekit.zoo.mlperf_tiny.samples import TinySamples, machine_spectra
from edgekit.zoo.mlperf_tiny.training import train

_WIDTH = 640
_HIDDEN = (128, 128, 128, 128, 8, 128, 128, 128, 128)
_TRAINING = 8000
_EPOCHS, _BATCH = 10, 64


def build_dense_autoencoder(
    weights: Weights | None = None,
    *,
    training: int = _TRAINING,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ir.Model:
    """Five frames of 128 mel bands through a middle of 8 and back.

    Args:
        weights: of the ten dense layers. Without them, it learns to reproduce the spectra of a
            machine that runs well: see `dense_autoencoder_samples`.
        training: how many windows it learns from.
        seed: of the first weights, the windows and their order.
        progress: called with steps of training done and all.

    Returns:
        `data` float32 `[1, 640]` to `reconstruction` float32 `[1, 640]`. What was learned has a
        BatchNormalization after each dense layer but the last; given weights have biases instead.

    Raises:
        UnsupportedModel: the weights are not this autoencoder's.
    """
    model = _graph(weights, seed)
    if weights is None:
        samples = dense_autoencoder_samples(training=training, test=0, seed=seed)
        train(
            model,
            samples.training,
            samples.training_targets,
            epochs=_EPOCHS,
            batch=_BATCH,
            seed=seed,
            progress=progress,
        )
    return model


def dense_autoencoder_samples(
    *, training: int = _TRAINING, test: int = 400, seed: int = 0
) -> TinySamples:
    """What `build_dense_autoencoder` learns from with these arguments, and what tests it."""
    return machine_spectra(training=training, test=test, seed=seed)


def _graph(weights: Weights | None, seed: int) -> ir.Model:
    build = GraphBuilder("dense_autoencoder")
    layers = Layers(build, weights, seed=seed)
    features = Features(build.input("data", np.float32, (1, _WIDTH)), _WIDTH)
    for width in _HIDDEN:
        features = layers.relu(layers.dense(features, width))
    reconstruction = layers.dense(features, _WIDTH, last=True)
    return build.finish(reconstruction=(reconstruction.value, np.float32, (1, _WIDTH)))
