"""Trains a model as one step of its compression: by the original's answers, or by labels."""

from edgekit.compress.tuning.steps import distill, finetune

__all__ = ["distill", "finetune"]
