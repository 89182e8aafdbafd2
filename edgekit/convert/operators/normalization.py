"""Softmax, and normalisations that no pass has folded."""

from collections.abc import Callable

import numpy as np

from edgekit.convert import schema
from edgekit.convert.layout import NEW, expanded
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


def layer_normalization(op: Op) -> None:
    """Writes a LayerNormalization by its definition. Ba et al., 2016, arXiv:1607.06450."""
    if any(value.uses() or value.is_graph_output() for value in op.node.outputs[1:]):
        raise op.unsupported("with Mean or InvStdDev")
    rank, order = len(op.shape(0)), op.order(0)
    first = op.integer("axis", -1) % rank
    x = op.read(0)
    places = op.fixed("axes", [place for place, axis in enumerate(order) if axis >= first])
    few = [1 if axis >= first else size for axis, size in zip(order, x.shape, strict=True)]
    keep = schema.options("Reducer", keepDims=True)
    y = op.emit("SUB", [x, op.emit("MEAN", [x, places], few, keep)], x.shape, schema.unfused("Sub"))
    variance = op.emit("MUL", [y, y], x.shape, schema.unfused("Mul"))
    variance = op.emit("MEAN", [variance, places], few, keep)
    epsilon = op.number(op.real("epsilon", 1e-5))
    deviation = op.emit(
        "SQRT", [op.emit("ADD", [variance, epsilon], few, schema.unfused("Add"))], few
    )
    y = op.emit("DIV", [y, deviation], x.shape, schema.unfused("Div"))
    for index, code, kind in ((1, "MUL", "Mul"), (2, "ADD", "Add")):
        if op.input(index) is not None:
            other = op.read(index, expanded(order, rank - len(op.shape(index))))
            y = op.emit(code, [y, other], x.shape, schema.unfused(kind))
    op.give(y, order)


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
    factors = op.fixed("factor", factor.reshape(shape), np.float32)
    y = op.emit("MUL", [x, factors], x.shape, schema.unfused("Mul"))
    shifts = op.fixed("shift", shift.reshape(shape), np.float32)
    op.give(op.emit("ADD", [y, shifts], x.shape, schema.options("Add", **op.fused)), order)
