"""Lets a model that takes one sample take a batch."""

import numpy as np
import onnx_ir as ir

from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.edit import set_constant
from edgekit.graph.match import constant, input_of, is_op
from edgekit.graph.shapes import infer_shapes

_BEGINNINGS = (5, 6)
"""Which inputs of a recurrent layer are the state and the cell before the first row."""


def with_batch(model: ir.Model, size: int) -> ir.Model:
    """The model with `size` as the first axis of every input and output.

    Args:
        model: left as it is; the first axis of each input is 1, dynamic, or `size`.
        size: how many samples a batch has.

    Raises:
        InputError: `size` is below 1.
        UnsupportedModel: an input is fixed to another batch or has another dynamic axis, or the
            samples do not stay apart along the first axis.
    """
    if size < 1:
        raise InputError(f"a batch of {size} rows is none")
    model = model.clone()
    for value in model.graph.inputs:
        axes = [] if value.shape is None else list(value.shape)
        if not axes or not all(isinstance(axis, int) for axis in axes[1:]):
            raise UnsupportedModel(f"the input {value.name!r} needs static axes behind its batch")
        if isinstance(axes[0], int) and axes[0] not in (1, size):
            raise UnsupportedModel(
                f"the input {value.name!r} is fixed to a batch of {axes[0]}, not {size}"
            )
        value.shape = ir.Shape((size, *axes[1:]))
    for node in model.graph:
        if is_op(node, "Reshape"):
            _reshape_all(model, node, size)
        if is_op(node, "LSTM", "GRU", "RNN"):
            _begin_all(model, node, size)
        for output in node.outputs:
            output.shape = None
    infer_shapes(model)
    for value in model.graph.outputs:
        if value.shape is None or len(value.shape) == 0 or value.shape[0] != size:
            raise UnsupportedModel(
                f"the output {value.name!r} has the shape {value.shape} for a batch of {size}: "
                "its samples do not stay apart along the first axis"
            )
    return model


def _reshape_all(model: ir.Model, node: ir.Node, size: int) -> None:
    """A Reshape to [1, ...] becomes one to [size, ...]."""
    target = constant(node.inputs[1])
    if target is not None and target.size > 1 and target[0] == 1:
        set_constant(model, node, 1, np.array([size, *target[1:]], np.int64))


def _begin_all(model: ir.Model, node: ir.Node, size: int) -> None:
    """The constant state [directions, 1, hidden] that a recurrent layer begins with is repeated."""
    for index in _BEGINNINGS:
        state = constant(input_of(node, index))
        if state is not None and state.shape[1] == 1:
            set_constant(model, node, index, np.repeat(state, size, axis=1))
