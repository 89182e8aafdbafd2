"""Runs steps and evaluations in ONNX Runtime, as they are compiled, without writing files."""

from collections.abc import Mapping

import numpy as np

from edgekit.array import Array
from edgekit.graph.session import open_session
from edgekit.learning.dataset import Batch
from edgekit.learning.specs import LOSSES
from edgekit.learning.stepper import Stepper
from edgekit.train.step import Step


class StepRunner(Stepper):
    """Takes step after step: see `Stepper`.

    Args:
        step: what to run; it must not be changed while the runner lives.
        threads: how many compute. With one, the same batches give the same bits.

    Raises:
        UnsupportedModel: ONNX Runtime cannot run it.
    """

    def __init__(self, step: Step, *, threads: int = 1) -> None:
        super().__init__(open_session(step.step, threads=threads), step.batch, step.carried)


class Evaluator:
    """Asks a model with any parameters.

    Args:
        step: whose evaluation to run; it must not be changed while the evaluator lives.
        threads: how many compute.

    Raises:
        UnsupportedModel: ONNX Runtime cannot run it.
    """

    def __init__(self, step: Step, *, threads: int = 1) -> None:
        self._session = open_session(step.evaluate, threads=threads)
        self._specs = step.batch
        self._names = [output.name for output in self._session.get_outputs()]
        self._needed = {value.name for value in self._session.get_inputs()}

    def run(self, batch: Batch, parameters: Mapping[str, Array]) -> tuple[Array, Array]:
        """The loss of each row, float32 `[N]`, and what the model says, `[N, ...]`."""
        feeds = {
            spec.name: np.asarray(array, spec.dtype)
            for spec, array in zip(self._specs, batch, strict=True)
        }
        feeds |= {name: a for name, a in parameters.items() if name in self._needed}
        found = dict(zip(self._names, self._session.run(None, feeds), strict=True))
        losses = found.pop(LOSSES)
        return losses, next(iter(found.values()), losses)
