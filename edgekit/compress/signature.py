"""Reads off a model file what it takes and gives, as far as the file says it."""

import msgspec
import numpy as np

from edgekit.array import Array
from edgekit.bundle import InputSpec, OutputSpec, PictureRule
from edgekit.bundle.manifest import OutputKind, Task
from edgekit.errors import UnsupportedModel
from edgekit.runtime.engine import Engine, TensorInfo
from edgekit.runtime.interpret import dequantized

_DTYPE = msgspec.structs.fields(InputSpec)[1].type


def fixed_shape(info: TensorInfo, *, where: str) -> tuple[int, ...]:
    """An input's shape with a batch of one.

    Raises:
        UnsupportedModel: other axes are dynamic.
    """
    shape = tuple(
        1 if axis is None and number == 0 else axis for number, axis in enumerate(info.shape)
    )
    if None in shape:
        raise UnsupportedModel(
            f"{where}: the input {info.name!r} has dynamic axes besides the batch; "
            "export the model with a fixed input shape"
        )
    return tuple(int(axis) for axis in shape if axis is not None)


def input_spec(info: TensorInfo, *, picture: PictureRule | None = None, where: str) -> InputSpec:
    """A batch of one of what the file says it takes.

    Raises:
        UnsupportedModel: a dynamic axis, or a type that edgekit cannot feed.
    """
    try:
        return InputSpec(
            name=info.name,
            dtype=msgspec.convert(info.dtype, type=_DTYPE),
            shape=fixed_shape(info, where=where),
            picture=picture,
            quantization=info.quantization,
        )
    except msgspec.ValidationError as error:
        raise UnsupportedModel(f"{where}: takes {info.dtype}, which edgekit cannot feed") from error


def output_spec(
    engine: Engine, task: Task, inputs: Array, spec: InputSpec, *, where: str
) -> OutputSpec:
    """The first output, and how to read it.

    A classifier's output counts as probabilities where it is, else as logits; an anomaly model's
    as a score where it is one number, else as a reconstruction of its input.

    Args:
        engine: runs the model.
        task: what the model is for.
        inputs: tensors to try it on.
        spec: what it takes.
        where: what to call it in an error.

    Raises:
        UnsupportedModel: its shape is not what the task gives.
    """
    info = engine.outputs[0]
    values = [dequantized(engine.run(tensor)[info.name], info.quantization) for tensor in inputs]
    kind: OutputKind = "raw"
    if task == "classification":
        if values[0].size < 2 or values[0].size != max(values[0].shape):
            raise UnsupportedModel(
                f"{where}: its output {list(values[0].shape)} is not [1, classes]"
            )
        kind = "scores" if all(map(_are_probabilities, values)) else "logits"
    elif task == "anomaly":
        if values[0].size == 1:
            kind = "score"
        elif values[0].size == np.prod(spec.shape):
            kind = "reconstruction"
        else:
            raise UnsupportedModel(
                f"{where}: its output {list(values[0].shape)} is neither one score nor the "
                f"input's shape {list(spec.shape)}"
            )
    return OutputSpec(name=info.name, kind=kind, quantization=info.quantization)


def _are_probabilities(values: Array) -> bool:
    return bool((values >= 0).all() and (values <= 1.001).all() and abs(values.sum() - 1) < 0.05)
