"""Trains a model as a recipe says: `edgekit train`."""

from edgekit.zoo.training.outcome import Outcome, TrainingReport
from edgekit.zoo.training.recipe import TrainingRecipe, load_training_recipe
from edgekit.zoo.training.running import train_recipe
from edgekit.zoo.training.writing import write_outcome

__all__ = [
    "Outcome",
    "TrainingRecipe",
    "TrainingReport",
    "load_training_recipe",
    "train_recipe",
    "write_outcome",
]
