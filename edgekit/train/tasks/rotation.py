"""Rotation prediction: who can tell which way is up has seen what pictures show."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.errors import UnsupportedModel
from edgekit.learning.dataset import Dataset
from edgekit.learning.views import QUARTERS, Rotations
from edgekit.train.building import known_shape
from edgekit.train.losses import CrossEntropy
from edgekit.train.tasks.heads import HeadBuilder


@dataclass(frozen=True)
class Rotation:
    """Tells by how many quarters a picture was turned.

    Gidaris et al., 2018, arXiv:1803.07728. All four turns of a picture are in one batch.

    Attributes:
        axes: which axes of a batch are a picture's rows and columns: 2 and 3 in NCHW.
    """

    axes: tuple[int, int] = (2, 3)

    @property
    def loss(self) -> CrossEntropy:
        """See `Task`."""
        return CrossEntropy()

    def attached(self, encoder: ir.Model, rng: np.random.Generator) -> ir.Model:
        """See `Task`."""
        build = HeadBuilder(encoder.clone(), rng)
        shape = known_shape(build.given)
        if len(shape) <= max(self.axes) or len({shape[axis] for axis in self.axes}) != 1:
            raise UnsupportedModel(
                f"the input {build.given.name!r} {list(shape)} is not square along its axes "
                f"{self.axes[0]} and {self.axes[1]}"
            )
        features, count = build.features()
        return build.finish(build.dense(features, count, QUARTERS, "turns"), QUARTERS)

    def asked(self, samples: Dataset) -> Dataset:
        """See `Task`."""
        return Rotations(samples, self.axes)
