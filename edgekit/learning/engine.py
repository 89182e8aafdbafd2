"""Runs a bundle's model with parameters that a board has learned.

Not in the package's `__init__`: a process that only learns is 2 MB smaller without it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort

from edgekit.array import Array
from edgekit.bundle.manifest import EngineName
from edgekit.errors import InputError
from edgekit.learning.files import open_evaluation
from edgekit.learning.specs import LOSSES
from edgekit.runtime.engine import TensorInfo
from edgekit.runtime.options import CPU


class LearnedEngine:
    """The model that a step trains, as an engine for `edgekit.runtime.session.Session`.

    It is in float, and computes a whole batch of the step for each sample: a new bundle from the
    workstation will be faster.

    Args:
        folder: the folder `train` of a bundle.
        parameters: all that the step trains, such as `Learner.parameters`.
        threads: how many compute.

    Raises:
        BundleError: a file of the folder is missing or damaged.
        InputError: the parameters are not those that the step trains.
    """

    name: EngineName = "onnxruntime"
    version: str = ort.__version__
    provider: str = CPU

    def __init__(self, folder: Path, parameters: Mapping[str, Array], *, threads: int = 1) -> None:
        session, specs, known = open_evaluation(folder, threads=threads)
        for name in known.keys() | parameters.keys():
            if name not in known or name not in parameters:
                where = "missing" if name in known else "none that the step trains"
                raise InputError(f"the parameter {name!r} is {where}; learn with this bundle")
            if not np.isfinite(parameters[name]).all():
                raise InputError(f"the parameter {name!r} holds NaN or infinity")
            if parameters[name].shape != known[name].shape:
                raise InputError(f"the parameter {name!r} has another shape in this bundle")
        self._session = session
        self._rows = specs[0].shape[0]
        self._feeds = {spec.name: spec.zeros() for spec in specs}
        self._feeds |= {name: np.asarray(a, known[name].dtype) for name, a in parameters.items()}
        first = specs[0]
        self.inputs: Sequence[TensorInfo] = (
            TensorInfo(first.name, first.dtype, (1, *first.shape[1:])),
        )
        self.outputs: Sequence[TensorInfo] = tuple(
            TensorInfo(value.name, "float32", (1, *value.shape[1:]))
            for value in session.get_outputs()
            if value.name != LOSSES
        )

    def run(self, tensor: Array) -> dict[str, Array]:
        """Runs the model on its only input, `[1, ...]`; gives every output by name.

        Raises:
            InputError: the tensor does not fit the model.
        """
        given = self.inputs[0]
        if tensor.shape != given.shape or tensor.dtype != given.dtype:
            raise InputError(
                f"{given.name}: the model takes {given.dtype} {list(given.shape)}, "
                f"not {tensor.dtype} {list(tensor.shape)}"
            )
        self._feeds[given.name] = np.repeat(tensor, self._rows, axis=0)
        names = [info.name for info in self.outputs]
        found = self._session.run(names, self._feeds)
        return {name: output[:1] for name, output in zip(names, found, strict=True)}

    def close(self) -> None:
        """Gives the model's memory back."""
        self._session = None
        self._feeds.clear()
