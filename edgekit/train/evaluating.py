"""Judges a model with given parameters on a data set."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.dataset import Dataset, batches_in_order
from edgekit.learning.specs import check_batch
from edgekit.train.data.prefetch import prefetched
from edgekit.train.engine import Evaluator
from edgekit.train.step import Step


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


def evaluate(
    step: Step,
    parameters: Mapping[str, Array],
    data: Dataset,
    *,
    evaluator: Evaluator | None = None,
) -> Evaluation:
    """Runs a model over all samples.

    Args:
        step: the compiled model.
        parameters: float32 arrays by name, such as `fit` gives.
        data: the samples; chance should do nothing to them.
        evaluator: one that is there already; opening one takes a while.

    Raises:
        InputError: there are no samples, or they do not fit the model.
    """
    evaluator = evaluator or Evaluator(step)
    losses, outputs, targets = [], [], []
    for batch, count in prefetched(batches_in_order(data, step.rows), data.ahead):
        check_batch(step.batch, batch)
        of_each, output = evaluator.run(batch, parameters)
        losses.append(of_each.reshape(-1, step.rows // data.views).mean(axis=0)[:count])
        outputs.append(output[:count])
        targets.append(batch[-1][:count])
    joined = np.concatenate(losses)
    if not len(joined):
        raise InputError("there are no samples to judge by")
    mean = float(joined.mean(dtype=np.float64))
    return Evaluation(mean, joined, np.concatenate(outputs), np.concatenate(targets))
