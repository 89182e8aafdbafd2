"""The denoising autoencoder: who can restore a sample knows what samples are like."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.learning.dataset import Dataset
from edgekit.learning.views import Change, Changed
from edgekit.train.building import known_shape, spec_of
from edgekit.train.losses import Reconstruction
from edgekit.train.tasks.heads import HeadBuilder, numbers_of


@dataclass(frozen=True)
class Denoising:
    """Restores a sample from what noise has left of it.

    Vincent et al., 2008, "Extracting and composing robust features with denoising autoencoders".

    Attributes:
        change: spoils samples, such as by `gaussian_noise`.
        hidden: the width of the decoder's hidden layer.
    """

    change: Change
    hidden: int = 64

    @property
    def loss(self) -> Reconstruction:
        """See `Task`."""
        return Reconstruction()

    def attached(self, encoder: ir.Model, rng: np.random.Generator) -> ir.Model:
        """See `Task`."""
        build = HeadBuilder(encoder.clone(), rng)
        clean, total = build.given, numbers_of(build.given)
        features, count = build.features()
        spec = spec_of(clean)
        noisy = ir.Value(
            name=f"{spec.name}_spoilt", shape=ir.Shape(known_shape(clean)), type=clean.type
        )
        clean.replace_all_uses_with(noisy)
        restored = build.perceptron(features, count, self.hidden, total, "decoder")
        model = build.finish(restored, total)
        model.graph.inputs.append(noisy)
        return model

    def asked(self, samples: Dataset) -> Dataset:
        """See `Task`."""
        return Changed(samples, self.change)


def gaussian_noise(deviation: float) -> Change:
    """Adds normal noise to float samples, in their own units."""

    def change(samples: Array, rng: np.random.Generator) -> Array:
        noise = rng.standard_normal(samples.shape, np.float32)
        spoilt: Array = samples + np.float32(deviation) * noise
        return spoilt

    return change


def masking_noise(share: float) -> Change:
    """Sets a share of all numbers to zero."""

    def change(samples: Array, rng: np.random.Generator) -> Array:
        return np.where(rng.random(samples.shape) < share, samples.dtype.type(0), samples)

    return change
