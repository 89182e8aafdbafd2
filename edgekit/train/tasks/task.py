"""What a pretext task is: a question about unlabelled samples that teaches an encoder."""

from typing import Protocol

import numpy as np
import onnx_ir as ir

from edgekit.learning.dataset import Dataset
from edgekit.train.losses import Loss


class Task(Protocol):
    """Asks something of which the samples themselves hold the answer."""

    @property
    def loss(self) -> Loss:
        """Judges the first output of what `attached` gives."""
        ...

    def attached(self, encoder: ir.Model, rng: np.random.Generator) -> ir.Model:
        """The encoder with what the task needs around it.

        Args:
            encoder: one input, whose features are its first output; left as it is.
            rng: gives the first weights of what is added.

        Returns:
            A model in which the encoder's parameters keep their names. Its inputs are what
            `asked` gives, but for a class.

        Raises:
            UnsupportedModel: the task cannot be asked of this encoder.
        """
        ...

    def asked(self, samples: Dataset) -> Dataset:
        """What a batch of unlabelled samples, such as a board keeps, becomes."""
        ...
