"""The board's half of learning: runs compiled steps on samples that the board kept."""

from edgekit.learning.arrays import Arrays
from edgekit.learning.buffer import SampleBuffer
from edgekit.learning.dataset import Dataset
from edgekit.learning.evaluating import Evaluation
from edgekit.learning.learner import Learned, Learner, LearningDiverged

__all__ = [
    "Arrays",
    "Dataset",
    "Evaluation",
    "Learned",
    "Learner",
    "LearningDiverged",
    "SampleBuffer",
]
