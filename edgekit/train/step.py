"""A training step as files: what a workstation trains with and a board learns with."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.specs import TensorSpec


@dataclass(frozen=True)
class Step:
    """One step of training as a graph, and the same model's evaluation as another.

    The step takes the batch, `learning_rate`, the parameters and the state, and gives `loss` and,
    for each parameter and state, `next(name)`. The evaluation takes the batch and the parameters,
    and gives `losses` and the model's own outputs. Whatever input of the step has a `next` is
    carried from step to step: it begins as `parameters` says, and state that is no parameter
    begins at zero. A board needs to know no more than that.

    Attributes:
        model: what is trained, with the parameters it began with, and its own batch.
        step: the graph of a step.
        evaluate: the graph of an evaluation.
        batch: what a batch brings: the model's inputs, then the loss's.
        parameters: the first value of each parameter by name, float32, and of the running
            averages of each BatchNormalization that is trained.
        state: what the optimiser, and Dropout, carry from step to step.
        rows: how many rows a batch has: the first axis of its tensors.
    """

    model: ir.Model
    step: ir.Model
    evaluate: ir.Model
    batch: tuple[TensorSpec, ...]
    parameters: dict[str, Array]
    state: tuple[TensorSpec, ...]
    rows: int

    @property
    def carried(self) -> dict[str, Array]:
        """Copies of the first parameters, and state of zeros."""
        first = {name: array.copy() for name, array in self.parameters.items()}
        return first | {spec.name: spec.zeros() for spec in self.state}

    def trained(self, parameters: Mapping[str, Array]) -> ir.Model:
        """A copy of the model that holds these parameters.

        Raises:
            InputError: there is no parameter of such a name and shape.
        """
        model = self.model.clone()
        for name, array in parameters.items():
            value = model.graph.initializers.get(name)
            if value is None or name not in self.parameters:
                raise InputError(f"the model has no parameter {name!r}")
            if array.shape != self.parameters[name].shape:
                raise InputError(
                    f"the parameter {name!r} has the shape {list(self.parameters[name].shape)}, "
                    f"not {list(array.shape)}"
                )
            value.const_value = ir.tensor(np.array(array, np.float32), name=name)
        return model

    def files(self) -> dict[str, bytes]:
        """`step.onnx`, `evaluate.onnx` and `parameters.npz`, for a bundle's folder `train`."""
        packed = io.BytesIO()
        np.savez(packed, **self.parameters)  # type: ignore[arg-type]
        step = ir.to_proto(self.step)
        for spec in self.batch:
            if spec.classes is not None:
                step.metadata_props.add(key=f"classes({spec.name})", value=str(spec.classes))
        return {
            "step.onnx": step.SerializeToString(),
            "evaluate.onnx": ir.to_proto(self.evaluate).SerializeToString(),
            "parameters.npz": packed.getvalue(),
        }

    def save(self, folder: Path) -> None:
        """Writes `files` into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in self.files().items():
            (folder / name).write_bytes(data)
