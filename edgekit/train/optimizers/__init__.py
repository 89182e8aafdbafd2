"""Optimisers as graphs, one a file."""

from edgekit.train.optimizers.adam import Adam, AdamW
from edgekit.train.optimizers.optimizer import Optimizer
from edgekit.train.optimizers.rmsprop import RmsProp
from edgekit.train.optimizers.sgd import Sgd

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RmsProp,
    "sgd": Sgd,
}
"""What each optimiser is called in a recipe."""

__all__ = ["OPTIMIZERS", "Adam", "AdamW", "Optimizer", "RmsProp", "Sgd"]
