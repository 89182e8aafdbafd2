"""Finds a classifier's logits, whatever its head."""

import onnx_ir as ir

from edgekit.errors import UnsupportedModel
from edgekit.graph.match import is_op
from edgekit.train.building import StepBuilder, known_shape

_SHAPE_ONLY = ("Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


def logits_of(build: StepBuilder, output: ir.Value) -> tuple[ir.Value, int]:
    """The logits `[N, C]` of a model, and C.

    Where the model ends in a Softmax or LogSoftmax, give or take a reshaping, they are what goes
    into it: the loss of a logarithm of probabilities would lose its digits.

    Raises:
        UnsupportedModel: the output is not one score a class, or comes from a Sigmoid.
    """
    shape = known_shape(output)
    rows, classes = shape[0], max(shape[1:], default=1)
    if classes < 2 or any(axis not in (1, classes) for axis in shape[1:]) or _wide(shape) != 1:
        raise UnsupportedModel(f"the output {output.name!r} {list(shape)} is not [N, classes]")
    value = output
    while is_op(value.producer(), *_SHAPE_ONLY):
        before = value.producer().inputs[0]  # type: ignore[union-attr]
        if before is None or before.producer() is None:
            break
        value = before
    if is_op(value.producer(), "Sigmoid"):
        raise UnsupportedModel("the model ends in a Sigmoid; a loss of classes needs logits")
    if not is_op(value.producer(), "Softmax", "LogSoftmax"):
        value = output
    else:
        inner = value.producer().inputs[0]  # type: ignore[union-attr]
        assert inner is not None
        value = inner
    if known_shape(value) != (rows, classes):
        value = build.op("Reshape", value, [rows, classes])
    return value, classes


def _wide(shape: tuple[int, ...]) -> int:
    return sum(axis != 1 for axis in shape[1:])
