"""The denoising autoencoder: who can restore a sample knows what samples are like."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

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
        change: spoils samples, such as by `edgekit.learning.changes`.
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
