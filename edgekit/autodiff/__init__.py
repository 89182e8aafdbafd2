"""Differentiates ONNX graphs: a model in, a model that also gives gradients out."""

from edgekit.autodiff.gradients import gradients
from edgekit.autodiff.training_mode import in_training

__all__ = ["gradients", "in_training"]
