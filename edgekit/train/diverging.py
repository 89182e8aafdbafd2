"""Finds out where a training step first went wrong."""

from collections.abc import Mapping

import numpy as np

from edgekit.array import Array
from edgekit.graph.observe import Observer
from edgekit.train.step import Step


def first_not_finite(step: Step, fed: Mapping[str, Array]) -> tuple[str, str]:
    """The first value of a step that holds NaN or infinity, and which of them.

    Args:
        step: the step.
        fed: what it read, by name.
    """
    for name, array in fed.items():
        if (found := _wrong(array)) is not None:
            return name, found
    names = [str(value.name) for node in step.step.graph for value in node.outputs if value.name]
    values = Observer(step.step, names).run(fed)
    for name in names:
        if (found := _wrong(values[name])) is not None:
            return name, found
    return "loss", "NaN or infinity"


def _wrong(array: Array) -> str | None:
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return None
    return "NaN" if np.isnan(array).any() else "infinity"
