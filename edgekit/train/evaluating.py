"""Judges a compiled model with given parameters on a data set."""

from collections.abc import Mapping

from edgekit.array import Array
from edgekit.learning.dataset import Dataset, batches_in_order
from edgekit.learning.evaluating import Evaluation
from edgekit.train.data.prefetch import prefetched
from edgekit.train.engine import Evaluator
from edgekit.train.step import Step

__all__ = ["Evaluation", "evaluate"]


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
    stream = prefetched(batches_in_order(data, step.rows), data.ahead)
    return evaluator.over(data, parameters, stream=stream)
