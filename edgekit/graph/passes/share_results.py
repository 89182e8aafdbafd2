"""Computes what is computed twice only once."""

import onnx_ir as ir
from onnx_ir.passes.common import CommonSubexpressionEliminationPass
from onnx_ir.traversal import RecursiveGraphIterator

from edgekit.graph.match import is_op
from edgekit.graph.passes.graph_pass import GraphPass

_RANDOM = ("Bernoulli", "Dropout")


class ShareResults(GraphPass):
    """Lets readers of equal nodes, with equal inputs and attributes, read the first of them.

    Leaves subgraphs alone, nodes that have one, and models with a Bernoulli or Dropout.
    """

    def rewrite_all(self, model: ir.Model) -> bool:
        """Shares all there are in one go."""
        if any(is_op(node, *_RANDOM) for node in RecursiveGraphIterator(model.graph)):
            return False
        return bool(CommonSubexpressionEliminationPass()(model).modified)

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Does nothing: one node has no equal."""
        return False
