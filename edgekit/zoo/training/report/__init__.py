"""The report on a training, for people: one HTML page."""

from edgekit.zoo.training.report.page import training_html

__all__ = ["training_html"]
