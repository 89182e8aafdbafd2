"""Judges a model with given parameters on a data set."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.dataset import Batch, Dataset, batches_in_order
from edgekit.learning.specs import LOSSES, TensorSpec, check_batch


@dataclass(frozen=True)
class Evaluation:
    """What a model says of samples.

    Attributes:
        loss: the mean over the samples.
        losses: float32, of each sample, in order.
        outputs: `[samples, ...]`, what the model says, of the first view of each.
        targets: `[samples, ...]`, the last array of the data: what it should have said.
    """

    loss: float
    losses: Array
    outputs: Array
    targets: Array


class Evaluator:
    """Asks a model with any parameters.

    Args:
        session: of an evaluation's graph.
        batch: what each batch brings, in order.
    """

    def __init__(self, session: ort.InferenceSession, batch: Sequence[TensorSpec]) -> None:
        self._session = session
        self._specs = tuple(batch)
        self._names = [output.name for output in session.get_outputs()]
        self._needed = {value.name for value in session.get_inputs()}

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

    def over(
        self,
        data: Dataset,
        parameters: Mapping[str, Array],
        *,
        stream: Iterable[tuple[Batch, int]] | None = None,
    ) -> Evaluation:
        """Runs the model over all samples.

        Args:
            data: the samples; chance should do nothing to them.
            parameters: float32 arrays by name.
            stream: the batches of `data` in order and how many samples each brings, where
                something else makes them.

        Raises:
            InputError: there are no samples, or they do not fit the model.
        """
        rows = self._specs[0].shape[0]
        losses, outputs, targets = [], [], []
        for batch, count in batches_in_order(data, rows) if stream is None else stream:
            check_batch(self._specs, batch)
            of_each, output = self.run(batch, parameters)
            losses.append(of_each.reshape(-1, rows // data.views).mean(axis=0)[:count])
            outputs.append(output[:count])
            targets.append(batch[-1][:count])
        if not losses:
            raise InputError("there are no samples to judge by")
        joined = np.concatenate(losses)
        mean = float(joined.mean(dtype=np.float64))
        return Evaluation(mean, joined, np.concatenate(outputs), np.concatenate(targets))
