"""Softmax, and normalisations that no pass has folded."""

from collections.abc import Callable

import numpy as np

from edgekit.convert import schema
from edgekit.convert.layout import NEW
from edgekit.convert.op import Op


def softmax(code: str) -> Callable[[Op], None]:
    """A writer of a Softmax or LogSoftmax; TFLite's is over the last axis of what is stored."""

    def write(op: Op) -> None:
        rank = len(op.result_shape)
        axis, order = op.integer("axis", -1) % rank, op.order(0)
        if order[-1] != axis:
            order = (*(place for place in order if place not in (axis, NEW)), axis)
        x = op.read(0, order)
        options = schema.options("Softmax", beta=1.0) if code == "SOFTMAX" else schema.NO_OPTIONS
        op.give(op.emit(code, [x], x.shape, options), order)

    return write


def batch_normalization(op: Op) -> None:
    """Writes a BatchNormalization that nothing absorbed as `x * factor + shift`."""
    if op.integer("training_mode", 0):
        raise op.unsupported("in training mode")
    scale, bias, mean, variance = (
        op.constant(index, "statistics").astype(np.float64) for index in range(1, 5)
    )
    factor = scale / np.sqrt(variance + op.real("epsilon", 1e-5))
    shift = bias - mean * factor
    x, order = op.read(0), op.order(0)
    shape = [factor.size if axis == 1 else 1 for axis in order]
    plain = {"fusedActivationFunction": schema.activation("NONE")}
    factors = op.fixed("factor", factor.reshape(shape), np.float32)
    y = op.emit("MUL", [x, factors], x.shape, schema.options("Mul", **plain))
    shifts = op.fixed("shift", shift.reshape(shape), np.float32)
    op.give(op.emit("ADD", [y, shifts], x.shape, schema.options("Add", **op.fused)), order)
