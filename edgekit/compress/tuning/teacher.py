"""The original model, as what another learns from."""

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.session import open_session
from edgekit.train.batching import with_batch

_LEAST = 1e-37
"""Probabilities below lose their digits in float32."""
_TOLERANCE = 1e-3


class Teacher:
    """Answers whole batches.

    Args:
        model: the float model.
        rows: of each batch.
        answers: some of its answers, `[N, answer]`.

    Attributes:
        is_classifier: whether they are the probabilities of classes that exclude each other.

    Raises:
        UnsupportedModel: it takes no batches.
    """

    def __init__(self, model: ir.Model, rows: int, answers: Array) -> None:
        self.is_classifier = _are_probabilities(answers)
        self._session = open_session(with_batch(model, rows))
        self._input = self._session.get_inputs()[0].name
        self._shape = tuple(self._session.get_outputs()[0].shape)

    def say(self, batch: Array, numbers: Array) -> Array:
        """What a model is to say of a batch: see `meant`."""
        return self.meant(self._session.run(None, {self._input: batch})[0])

    def meant(self, answers: Array) -> Array:
        """What a loss compares with: logits `[N, C]`, or the numbers as they are.

        The logarithms of probabilities are logits that differ by a constant, which says nothing.
        """
        if self.is_classifier:
            logits: Array = np.log(np.maximum(answers.reshape(len(answers), -1), _LEAST))
            return logits
        return answers.reshape(len(answers), *self._shape[1:])


def _are_probabilities(answers: Array) -> bool:
    sums = answers.sum(axis=1)
    return answers.shape[1] > 1 and answers.min() >= 0 and np.allclose(sums, 1, atol=_TOLERANCE)
