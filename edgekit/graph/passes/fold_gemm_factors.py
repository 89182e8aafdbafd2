"""Writes a dense layer without the two factors that only Gemm has."""

import numpy as np
import onnx_ir as ir

from edgekit.graph.match import float_of, is_op
from edgekit.graph.passes.affine import Affine
from edgekit.graph.passes.graph_pass import GraphPass

_FACTORS = ("alpha", "beta")


class FoldGemmFactors(GraphPass):
    """Puts a Gemm's alpha into its weights and its beta into its bias.

    Leaves a Gemm alone where its weights or its bias are computed or are not floats, and where
    their type cannot hold the products.
    """

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Folds the factors of one Gemm."""
        if not is_op(node, "Gemm") or all(float_of(node, name, 1.0) == 1 for name in _FACTORS):
            return False
        layer = Affine.of(node)
        if layer is None:
            return False
        weights = layer.weights * np.float64(float_of(node, "alpha", 1.0))
        if not layer.store(model, weights, layer.bias):
            return False
        for name in _FACTORS:
            node.attributes.pop(name, None)
        return True
