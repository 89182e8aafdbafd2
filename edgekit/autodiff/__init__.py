"""Differentiates ONNX graphs: a model in, a model that also gives gradients out."""

from edgekit.autodiff.gradients import gradients

__all__ = ["gradients"]
