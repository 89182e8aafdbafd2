"""The four nets of MLPerf Tiny: architectures that take given weights, or learn their own.

Banbury et al., 2021, arXiv:2106.07597. Their own data sets are not at hand where edgekit is
installed, so without weights they learn stand-in tasks of the same shapes, in under a minute.
"""

from edgekit.zoo.mlperf_tiny.dense_autoencoder import (
    build_dense_autoencoder,
    dense_autoencoder_samples,
)
from edgekit.zoo.mlperf_tiny.ds_cnn import build_ds_cnn, ds_cnn_samples
from edgekit.zoo.mlperf_tiny.layers import Weights
from edgekit.zoo.mlperf_tiny.mobilenet import build_mobilenet, mobilenet_samples
from edgekit.zoo.mlperf_tiny.resnet8 import build_resnet8, resnet8_samples
from edgekit.zoo.mlperf_tiny.samples import TinySamples

__all__ = [
    "TinySamples",
    "Weights",
    "build_dense_autoencoder",
    "build_ds_cnn",
    "build_mobilenet",
    "build_resnet8",
    "dense_autoencoder_samples",
    "ds_cnn_samples",
    "mobilenet_samples",
    "resnet8_samples",
]
