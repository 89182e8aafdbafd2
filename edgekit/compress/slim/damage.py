"""How far a changed model's answers are from the original's."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.statistics import divergence
from edgekit.graph.match import is_op
from edgekit.graph.session import open_session


class Damage:
    """Asks models about the same few samples, and compares with what the original said.

    Args:
        model: the original.
        tensors: samples as it takes them.
    """

    def __init__(self, model: ir.Model, tensors: Sequence[Array]) -> None:
        self._tensors = tensors
        self._was = _answers(model, tensors)
        self._probable = is_op(model.graph.outputs[0].producer(), "Softmax")
        self._spread = max(float(self._was.var()), 1e-12)

    def of(self, model: ir.Model) -> float:
        """KL(original || model) in nats, mean over samples.

        For an answer that does not come from a Softmax: the squared error over its variance.
        """
        is_now = _answers(model, self._tensors)
        if self._probable:
            return float(divergence(self._was, is_now).mean())
        return float(np.mean(np.square(is_now - self._was)) / self._spread)


def _answers(model: ir.Model, tensors: Sequence[Array]) -> Array:
    session = open_session(model)
    name = session.get_inputs()[0].name
    answers = [session.run(None, {name: tensor})[0].reshape(-1) for tensor in tensors]
    return np.stack(answers).astype(np.float64)
