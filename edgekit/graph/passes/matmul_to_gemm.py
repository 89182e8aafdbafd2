"""Writes a dense layer as the one operator that has a bias."""

import onnx_ir as ir

from edgekit.graph.edit import become
from edgekit.graph.match import constant, is_op, only_producer
from edgekit.graph.passes.graph_pass import GraphPass


class MatMulToGemm(GraphPass):
    """Turns MatMul -> Add or BatchNormalization into Gemm -> the same, which can then be fused.

    Only where the MatMul's left side is known to have two axes, its right side is a constant
    matrix, and the Add's other side is constant; it leaves a MatMul alone that anything else
    reads, and one of integers.
    """

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Replaces one MatMul."""
        if not is_op(node, "Add", "BatchNormalization"):
            return False
        if is_op(node, "Add") and all(constant(value) is None for value in node.inputs):
            return False
        operands = node.inputs if is_op(node, "Add") else node.inputs[:1]
        for value in operands:
            matmul = only_producer(value, "MatMul")
            if matmul is not None and _is_dense(matmul):
                become(matmul, "Gemm", matmul.inputs)
                return True
        return False


def _is_dense(matmul: ir.Node) -> bool:
    left, weights = matmul.inputs[0], constant(matmul.inputs[1])
    return (
        left is not None
        and left.shape is not None
        and len(left.shape) == 2
        and weights is not None
        and weights.ndim == 2
        and weights.dtype.kind == "f"
    )
