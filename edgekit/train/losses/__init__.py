"""Losses as graphs, one small file a family."""

from edgekit.train.losses.contrastive import InfoNce, Triplet
from edgekit.train.losses.cross_entropy import CrossEntropy
from edgekit.train.losses.distillation import Distillation
from edgekit.train.losses.focal import Focal
from edgekit.train.losses.loss import Loss
from edgekit.train.losses.regression import Huber, Mse, Reconstruction

LOSSES: dict[str, type[Loss]] = {
    "cross-entropy": CrossEntropy,
    "distillation": Distillation,
    "focal": Focal,
    "huber": Huber,
    "info-nce": InfoNce,
    "mse": Mse,
    "reconstruction": Reconstruction,
    "triplet": Triplet,
}
"""What each loss is called in a recipe."""

__all__ = [
    "LOSSES",
    "CrossEntropy",
    "Distillation",
    "Focal",
    "Huber",
    "InfoNce",
    "Loss",
    "Mse",
    "Reconstruction",
    "Triplet",
]
