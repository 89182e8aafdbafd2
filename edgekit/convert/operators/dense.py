"""Gemm and MatMul: FULLY_CONNECTED with constant weights, else BATCH_MATMUL."""

from dataclasses import replace

import numpy as np

from edgekit.array import Array
from edgekit.convert import schema
from edgekit.convert.layout import as_in_onnx
from edgekit.convert.op import Op
from edgekit.convert.operators.parameters import bias_of, has_integer_weights, weights_of
from edgekit.convert.quantization import Grid
from edgekit.convert.versions import KEEPS_AXES
from edgekit.convert.writer import Tensor

_NOT_FUSED = {"fusedActivationFunction": schema.activation("NONE")}


def gemm_can_be_integer(op: Op) -> bool:
    """Whether it is one FULLY_CONNECTED of int8."""
    axis = 0 if op.integer("transB", 0) else 1
    plain = op.real("alpha", 1.0) == 1 and op.real("beta", 1.0) == 1
    return plain and has_integer_weights(op, axis) and _adds_a_vector(op)


def matmul_can_be_integer(op: Op) -> bool:
    """Whether it is one FULLY_CONNECTED of int8."""
    return op.is_constant(1) and len(op.shape(1)) == 2 and has_integer_weights(op, 1)


def gemm(op: Op) -> None:
    """Writes `alpha A B + beta C`."""
    alpha = op.real("alpha", 1.0)
    order = (1, 0) if op.integer("transA", 0) else (0, 1)
    if not op.is_constant(1):
        y = _product(op, op.read(0, order), op.read(1, (0, 1)), bool(op.integer("transB", 0)))
        if alpha != 1:
            y = op.emit("MUL", [y, op.number(alpha)], y.shape, schema.unfused("Mul"))
        op.give(_with_addend(op, y), (0, 1))
        return
    weights, grid = weights_of(op, 0 if op.integer("transB", 0) else 1)
    if alpha != 1:
        weights, grid = op.constant(1, "weights").astype(np.float32) * np.float32(alpha), None
    if not op.integer("transB", 0):
        weights = weights.T
    x, weights = _aligned(op, weights, order)
    if _adds_a_vector(op):
        y = _dense(op, x, weights, grid, fused=True)
    else:
        y = _with_addend(op, _dense(op, x, weights, grid, fused=False))
    op.give(y, (0, 1))


def matmul(op: Op) -> None:
    """Writes `A B`, with the bias of the Add after it."""
    ranks = len(op.shape(0)), len(op.shape(1))
    if min(ranks) < 2:
        raise op.unsupported("of a vector; unsqueeze it to a matrix")
    order = as_in_onnx(len(op.result_shape))
    if not op.is_constant(1) or ranks[1] != 2:
        left = op.read(0, as_in_onnx(ranks[0]))
        op.give(_product(op, left, op.read(1, as_in_onnx(ranks[1])), False), order)
        return
    weights, grid = weights_of(op, 1)
    x, weights = _aligned(op, weights.T, as_in_onnx(ranks[0]))
    kernel = op.weights(1, weights, None if grid is None else replace(grid, axis=0))
    bias = bias_of(op, op.tail.bias, x, grid, len(weights))
    op.give(_connected(op, x, kernel, bias, op.fused), order)


def _aligned(op: Op, weights: Array, order: tuple[int, ...]) -> tuple[Tensor, Array]:
    """What the weights multiply, and the weights with their columns in its order."""
    placed = op.lowering.placed(op.value(0))
    if placed.columns is None:
        return op.read(0, order), weights
    x, conversions = placed.tensor, op.lowering.conversions
    if op.is_integer:
        x = conversions.quantized(x)
    else:
        x = conversions.dequantized(x, str(op.value(0).name))
    return x, weights[:, placed.columns]


def _dense(op: Op, x: Tensor, weights: Array, grid: Grid | None, *, fused: bool) -> Tensor:
    kernel = op.weights(1, weights, None if grid is None else replace(grid, axis=0))
    addend = op.input(2) if fused else None
    bias = bias_of(op, addend, x, grid, len(weights), factor=op.real("beta", 1.0))
    return _connected(op, x, kernel, bias, op.fused if fused else _NOT_FUSED)


def _connected(op: Op, x: Tensor, kernel: Tensor, bias: Tensor, fused: dict[str, int]) -> Tensor:
    keeps = len(x.shape) > 2
    options = schema.options("FullyConnected", keepNumDims=keeps, **fused)
    shape = (*x.shape[:-1], kernel.shape[0])
    version = KEEPS_AXES if keeps else None
    return op.emit("FULLY_CONNECTED", [x, kernel, bias], shape, options, version=version)


def _product(op: Op, left: Tensor, right: Tensor, turned: bool) -> Tensor:
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    shape = (*batch, left.shape[-2], right.shape[-2 if turned else -1])
    return op.emit(
        "BATCH_MATMUL", [left, right], shape, schema.options("BatchMatMul", adjX=False, adjY=turned)
    )


def _adds_a_vector(op: Op) -> bool:
    """Whether C is what a FULLY_CONNECTED can add: nothing, a number, or one for each output."""
    if op.input(2) is None:
        return True
    addend, shape = op.array(2), op.result_shape
    return addend is not None and (
        addend.size == 1 or addend.shape[-1:] == shape[1:] == (addend.size,)
    )


def _with_addend(op: Op, y: Tensor) -> Tensor:
    """`y + beta C`, with the activation."""
    if op.input(2) is None:
        return y
    c = op.read(2, as_in_onnx(len(op.shape(2))))
    beta = op.real("beta", 1.0)
    if beta != 1:
        c = op.emit("MUL", [c, op.number(beta)], c.shape, schema.unfused("Mul"))
    return op.emit("ADD", [y, c], y.shape, schema.options("Add", **op.fused))
