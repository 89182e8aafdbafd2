"""Training as graphs that stock onnxruntime runs."""

from edgekit.train.compiling import compile_step
from edgekit.train.evaluating import Evaluation, evaluate
from edgekit.train.fitting import Fitted, fit
from edgekit.train.history import Epoch
from edgekit.train.step import Step

__all__ = [
    "Epoch",
    "Evaluation",
    "Fitted",
    "Step",
    "compile_step",
    "evaluate",
    "fit",
]
