"""Products of matrices."""

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import operand, optional, shape_of
from edgekit.graph.match import float_of, int_of


@vjp("MatMul")
def matmul(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """d(A @ B): dA = dY @ B^T, dB = A^T @ dY, summed over broadcast batch axes."""
    left, right = operand(node, 0), operand(node, 1)
    a, b = _as_matrix(left, build, row=True), _as_matrix(right, build, row=False)
    batch = shape_of(dy)[: max(len(shape_of(a)), len(shape_of(b))) - 2]
    dy = build.reshape(dy, (*batch, shape_of(a)[-2], shape_of(b)[-1]))
    da = build.sum_to_shape(build.matmul(dy, build.transpose_last(b)), like=a)
    db = build.sum_to_shape(build.matmul(build.transpose_last(a), dy), like=b)
    return build.reshape(da, shape_of(left)), build.reshape(db, shape_of(right))


@vjp("Gemm")
def gemm(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """d(alpha * op(A) @ op(B) + beta * C), where op may transpose."""
    a, b, c = operand(node, 0), operand(node, 1), optional(node, 2)
    alpha, beta = float_of(node, "alpha", 1.0), float_of(node, "beta", 1.0)
    flip_a, flip_b = int_of(node, "transA", 0), int_of(node, "transB", 0)
    if flip_a:
        da = build.op("Gemm", b, dy, alpha=alpha, transA=flip_b, transB=1, shape=shape_of(a))
    else:
        da = build.op("Gemm", dy, b, alpha=alpha, transB=1 - flip_b, shape=shape_of(a))
    if flip_b:
        db = build.op("Gemm", dy, a, alpha=alpha, transA=1, transB=flip_a, shape=shape_of(b))
    else:
        db = build.op("Gemm", a, dy, alpha=alpha, transA=1 - flip_a, shape=shape_of(b))
    if c is None:
        return da, db
    dc = build.sum_to_shape(dy, like=c)
    return da, db, dc if beta == 1 else build.op("Mul", dc, beta)


def _as_matrix(value: ir.Value, build: Backward, *, row: bool) -> ir.Value:
    """A vector as a matrix of one row or column; anything else as it is."""
    shape = shape_of(value)
    if len(shape) > 1:
        return value
    return build.reshape(value, (1, *shape) if row else (*shape, 1))
