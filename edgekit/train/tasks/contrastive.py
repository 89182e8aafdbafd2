"""Contrastive learning: two views of a sample are to lie together, and apart from others."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.learning.dataset import Dataset
from edgekit.learning.views import Change, Triplets, TwoViews
from edgekit.train.losses import InfoNce, Triplet
from edgekit.train.tasks.heads import HeadBuilder


@dataclass(frozen=True)
class Contrastive:
    """Finds each sample's other view among all others of the batch, behind a projection.

    Chen et al., 2020, arXiv:2002.05709 (SimCLR).

    Attributes:
        change: what chance may do to samples without changing what they show.
        temperature: what cosines of projections are divided by.
        dimensions: of the projection.
    """

    change: Change
    temperature: float = 0.5
    dimensions: int = 32

    @property
    def loss(self) -> InfoNce:
        """See `Task`."""
        return InfoNce(self.temperature)

    def attached(self, encoder: ir.Model, rng: np.random.Generator) -> ir.Model:
        """See `Task`."""
        return _projected(encoder, rng, self.dimensions)

    def asked(self, samples: Dataset) -> Dataset:
        """See `Task`."""
        return TwoViews(samples, self.change)


@dataclass(frozen=True)
class TripletTask:
    """A sample is to lie nearer to its own view than to that of another one.

    Schroff et al., 2015, arXiv:1503.03832, with views in the place of labels.

    Attributes:
        change: what chance may do to samples without changing what they show.
        margin: how much nearer its own view should be, in squared distances of projections.
        dimensions: of the projection.
    """

    change: Change
    margin: float = 0.5
    dimensions: int = 32

    @property
    def loss(self) -> Triplet:
        """See `Task`."""
        return Triplet(self.margin)

    def attached(self, encoder: ir.Model, rng: np.random.Generator) -> ir.Model:
        """See `Task`."""
        return _projected(encoder, rng, self.dimensions)

    def asked(self, samples: Dataset) -> Dataset:
        """See `Task`."""
        return Triplets(samples, self.change)


def _projected(encoder: ir.Model, rng: np.random.Generator, dimensions: int) -> ir.Model:
    build = HeadBuilder(encoder.clone(), rng)
    features, count = build.features()
    projected = build.perceptron(features, count, count, dimensions, "projection")
    return build.finish(projected, dimensions)
