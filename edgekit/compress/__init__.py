"""Turns a trained model into a bundle."""

from edgekit.compress.comparing import Versus, compare_models
from edgekit.compress.compressor import Compressed, compress_model, compress_trained
from edgekit.compress.pack import pack_model
from edgekit.compress.recipe import Recipe, load_recipe
from edgekit.compress.search import Found, Goals, search_recipe
from edgekit.compress.single import Stepped, apply_step
from edgekit.compress.trained import TrainedModel

__all__ = [
    "Compressed",
    "Found",
    "Goals",
    "Recipe",
    "Stepped",
    "TrainedModel",
    "Versus",
    "apply_step",
    "compare_models",
    "compress_model",
    "compress_trained",
    "load_recipe",
    "pack_model",
    "search_recipe",
]
