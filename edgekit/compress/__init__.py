"""Turns a trained model into a bundle."""

from edgekit.compress.compressor import Compressed, compress_model, compress_trained
from edgekit.compress.pack import pack_model
from edgekit.compress.recipe import Recipe, load_recipe
from edgekit.compress.trained import TrainedModel

__all__ = [
    "Compressed",
    "Recipe",
    "TrainedModel",
    "compress_model",
    "compress_trained",
    "load_recipe",
    "pack_model",
]
